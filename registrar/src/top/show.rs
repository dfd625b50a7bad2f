//! Draws after each input, until one ends the command.

use ratatui::{Terminal, backend::Backend};
use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::{
    draw::draw,
    message::{Input, Wanted},
    state::{Next, State},
};

pub(super) async fn show<B: Backend>(
    terminal: &mut Terminal<B>,
    mut state: State,
    mut inputs: UnboundedReceiver<Input>,
    wanted: watch::Sender<Wanted>,
) -> Result<(), B::Error> {
    terminal.draw(|frame| draw(&mut state, frame))?;
    while let Some(input) = inputs.recv().await {
        let mut next = state.apply(input);
        // Keys that were pressed while it drew need one drawing.
        while next == Next::Draw
            && let Ok(input) = inputs.try_recv()
        {
            next = state.apply(input);
        }
        if next == Next::End {
            break;
        }
        wanted
            .send_if_modified(|wanted| std::mem::replace(wanted, state.wanted()) != state.wanted());
        terminal.draw(|frame| draw(&mut state, frame))?;
    }
    Ok(())
}
