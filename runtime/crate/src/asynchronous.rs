//! `async` handlers, `init` and hooks, on one tokio runtime.

use crate::answer::{Answer, Payload};
use crate::call::Invocation;
use crate::handler::{answered, AsyncHandler, Failure, Handler};
use crate::state::{Hook, HookForm, HookResult, Init, InitResult};
use crate::stream::Stream;
use crate::{crashes, event, Error, LambdaContext};
use futures_core::Stream as AsyncStream;
use serde::de::{Deserialize, DeserializeOwned};
use std::fmt::Display;
use std::future::{poll_fn, Future};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::pin::{pin, Pin};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::runtime::{Builder, Runtime};

/// With `deadline = cancel`, a handler's future is dropped this long before the deadline, so that the error still
/// reaches the caller.
const MARGIN: Duration = Duration::from_millis(50);

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The runtime of this process. All handlers, hooks and spawned tasks share it. It is made at `faas_init`, or by the first
/// call if the library has no `init`.
///
/// # Panics
/// If the system gives no thread or no descriptor.
pub(crate) fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.enable_io().enable_time().thread_name("faas-tokio");
        builder.on_thread_start(crashes::protect_thread);
        builder.build().expect("tokio's runtime does not start")
    })
}

/// The form of an `async` function with these parameters.
pub struct Async<Parameters>(PhantomData<Parameters>);

/// The form of an `async` function that takes a reference to its event.
pub struct AsyncByReference<Parameters>(PhantomData<Parameters>);

macro_rules! async_handlers {
    ($([$($state:ident: $type:ty)?])*) => {
        $(
            impl<'a, F, Fut, Event, A, E, State> Handler<'a, Async<(Event, Fut, $(&'a $type)?)>, State> for F
            where
                F: Fn(Event, &'a LambdaContext $(, &'a $type)?) -> Fut,
                Fut: Future<Output = Result<A, E>>,
                Event: Deserialize<'a>,
                A: Answer,
                E: Display,
                State: 'a,
            {
                type Error = E;

                #[allow(unused_variables)]
                fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<E>> {
                    let (event, raw) = event::read(invocation.payload)?;
                    let future = self(event, &invocation.context $(, {let $state = state; $state})?);
                    answered(run(invocation, future)?, raw)
                }
            }

            impl<'a, F, Fut, Event, A, E, State> AsyncHandler<'a, Async<(Event, Fut, $(&'a $type)?)>, State> for F
            where
                F: Fn(Event, &'a LambdaContext $(, &'a $type)?) -> Fut,
                Fut: Future<Output = Result<A, E>>,
                Event: Deserialize<'a>,
                A: Answer,
                E: Display,
                State: 'a,
            {
            }

            impl<'a, F, Fut, Event, A, E, State> Handler<'a, AsyncByReference<(Event, Fut, $(&'a $type)?)>, State> for F
            where
                F: Fn(&'a Event, &'a LambdaContext $(, &'a $type)?) -> Fut,
                Fut: Future<Output = Result<A, E>>,
                Event: DeserializeOwned + 'static,
                A: Answer,
                E: Display,
                State: 'a,
            {
                type Error = E;

                #[allow(unused_variables)]
                fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<E>> {
                    let event = invocation.keep(event::read::<Event>(invocation.payload)?.0);
                    let future = self(event, &invocation.context $(, {let $state = state; $state})?);
                    answered(run(invocation, future)?, false)
                }
            }

            impl<'a, F, Fut, Event, A, E, State>
                AsyncHandler<'a, AsyncByReference<(Event, Fut, $(&'a $type)?)>, State> for F
            where
                F: Fn(&'a Event, &'a LambdaContext $(, &'a $type)?) -> Fut,
                Fut: Future<Output = Result<A, E>>,
                Event: DeserializeOwned + 'static,
                A: Answer,
                E: Display,
                State: 'a,
            {
            }
        )*
    };
}

async_handlers! { [] [state: State] }

/// Starts the runtime at `faas_init`, so that the first invocation need not.
pub fn start_runtime() {
    runtime();
}

/// Runs a handler's future on this thread, until it is ready or cancelled.
pub(crate) fn run<F: Future>(invocation: &Invocation<'_>, future: F) -> Result<F::Output, Error> {
    let left = invocation.cancels.get().then(|| invocation.context.remaining());
    let Some(left) = left.flatten() else {
        return Ok(runtime().block_on(future));
    };
    runtime()
        .block_on(async { tokio::time::timeout(left.saturating_sub(MARGIN), future).await })
        .map_err(|_| {
            let message = format!(
                "the function was cancelled {} ms before its deadline",
                MARGIN.as_millis()
            );
            Error::without_backtrace("Function.DeadlineReached", message)
        })
}

impl<F, Fut, R> Init<Async<(Fut,)>> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = R>,
    R: InitResult,
{
    type State = R::State;
    type Error = R::Error;

    fn make(&self) -> Result<R::State, R::Error> {
        runtime().block_on(self()).into_result()
    }
}

impl<'a, F, Fut, R, State> Hook<'a, HookForm<Async<(Fut,)>, ()>, State> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = R>,
    R: HookResult,
{
    type Error = R::Error;

    fn call(&self, _: &'a State) -> Result<(), R::Error> {
        runtime().block_on(self()).into_result()
    }
}

impl<'a, F, Fut, R, State: 'a> Hook<'a, HookForm<Async<(Fut,)>, (&'a State,)>, State> for F
where
    F: Fn(&'a State) -> Fut,
    Fut: Future<Output = R>,
    R: HookResult,
{
    type Error = R::Error;

    fn call(&self, state: &'a State) -> Result<(), R::Error> {
        runtime().block_on(self(state)).into_result()
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(data))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl Stream<'_> {
    /// Sends each item of a stream as a piece of its own, until the stream ends.
    ///
    /// # Errors
    /// `BrokenPipe` if the caller no longer receives the response.
    pub async fn send_all<Item: AsRef<[u8]>>(&mut self, items: impl AsyncStream<Item = Item>) -> io::Result<()> {
        let mut items = pin!(items);
        while let Some(item) = poll_fn(|context| items.as_mut().poll_next(context)).await {
            Write::write_all(self, item.as_ref())?;
            Write::flush(self)?;
        }
        Ok(())
    }
}
