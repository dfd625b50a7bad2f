import { enroll } from './enrollment.mjs';
import { run } from './runtime.mjs';

run(enroll);
