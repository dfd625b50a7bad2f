import { enroll } from './enroll.mjs';
import { run } from './runtime.mjs';

run(enroll);
