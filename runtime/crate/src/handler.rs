//! The signatures that `export!` accepts for handlers.

use crate::answer::{Answer, Payload};
use crate::call::Invocation;
use crate::{event, Error, LambdaContext};
use serde::de::{Deserialize, DeserializeOwned};
use std::fmt::Display;
use std::marker::PhantomData;

/// Why a handler gave no answer: the event or the answer was refused, or the author's own error.
pub enum Failure<E> {
    /// This crate's error.
    Refused(Error),
    /// The handler's error.
    Returned(E),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

/// A function that [`export!`](crate::export) can export. `Form` is how it takes its event, and is always inferred.
///
/// | signature | event |
/// |---|---|
/// | `fn(Event, &LambdaContext) -> Result<Answer, E>` | any `Deserialize`, also one that borrows from the payload |
/// | `fn(&Event, &LambdaContext) -> Result<Answer, E>` | the same, by reference: `&Value` |
/// | `fn(&[u8], &LambdaContext) -> Result<Answer, E>` | the payload as it is |
///
/// Each may have a third parameter `&State`, if `export!` names an `init` that returns the state. Each may be `async`,
/// with the feature `tokio`. `Answer` is what [`Answer`] says, and `E` is any type that implements `Display`. The feature
/// `http` adds the signatures of `faas_function::http::HttpHandler`.
#[diagnostic::on_unimplemented(
    message = "the signature of this function is not one of a handler",
    label = "a handler is a `fn(Event, &LambdaContext) -> Result<Answer, E>`",
    note = "`Event` is a type that implements `serde::Deserialize`, a reference to one, or `&[u8]`",
    note = "`Answer` implements `serde::Serialize` or is a `faas_function::Reply`; `E` implements `Display`",
    note = "with the feature `http`, a `fn(http::Request) -> Result<R, E>` is a handler too; `R` is an `IntoResponse`",
    note = "a third parameter `&State` needs `init = f`, where `f` returns `Result<State, E>`",
    note = "an `async fn` needs the feature `tokio` of the crate `faas-function`"
)]
pub trait Handler<'a, Form, State> {
    /// The author's error.
    type Error: Display;

    /// Reads the event, calls the function and turns its answer into bytes.
    #[doc(hidden)]
    fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<Self::Error>>;
}

/// The form of a function that takes its event by value.
pub struct ByValue<Parameters>(PhantomData<Parameters>);

/// The form of a function that takes a reference to its event.
pub struct ByReference<Parameters>(PhantomData<Parameters>);

pub(crate) fn answered<A: Answer, E>(outcome: Result<A, E>, raw: bool) -> Result<Payload, Failure<E>> {
    let answer = outcome.map_err(Failure::Returned)?;
    Ok(answer.into_payload(raw)?)
}

/// Implements `Handler` for the functions with and without a third parameter.
macro_rules! handlers {
    ($([$($state:ident: $type:ty)?])*) => {
        $(
            impl<'a, F, Event, A, E, State> Handler<'a, ByValue<(Event, $(&'a $type)?)>, State> for F
            where
                F: Fn(Event, &'a LambdaContext $(, &'a $type)?) -> Result<A, E>,
                Event: Deserialize<'a>,
                A: Answer,
                E: Display,
                State: 'a,
            {
                type Error = E;

                #[allow(unused_variables)]
                fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<E>> {
                    let (event, raw) = event::read(invocation.payload)?;
                    answered(self(event, &invocation.context $(, {let $state = state; $state})?), raw)
                }
            }

            impl<'a, F, Event, A, E, State> Handler<'a, ByReference<(Event, $(&'a $type)?)>, State> for F
            where
                F: Fn(&'a Event, &'a LambdaContext $(, &'a $type)?) -> Result<A, E>,
                Event: DeserializeOwned + 'static,
                A: Answer,
                E: Display,
                State: 'a,
            {
                type Error = E;

                #[allow(unused_variables)]
                fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<E>> {
                    let event = invocation.keep(event::read::<Event>(invocation.payload)?.0);
                    answered(self(event, &invocation.context $(, {let $state = state; $state})?), false)
                }
            }
        )*
    };
}

handlers! { [] [state: State] }

/// Calls a handler. The compiler infers the form.
///
/// # Errors
/// The author's error, or this crate's about the event or the answer.
pub fn call<'a, H, Form, State>(
    handler: H,
    invocation: &'a Invocation<'a>,
    state: &'a State,
) -> Result<Payload, Failure<H::Error>>
where
    H: Handler<'a, Form, State>,
{
    handler.call(invocation, state)
}

/// A handler that is `async`, as `deadline = cancel` needs it.
#[diagnostic::on_unimplemented(
    message = "`deadline = cancel` needs an `async fn`",
    label = "this handler is not `async`, so it cannot be cancelled",
    note = "an `async fn` needs the feature `tokio` of the crate `faas-function`"
)]
pub trait AsyncHandler<'a, Form, State>: Handler<'a, Form, State> {}

/// Calls a handler whose future is dropped shortly before the deadline.
///
/// # Errors
/// As for [`call`], and an error of the type `Function.DeadlineReached`.
pub fn call_until_deadline<'a, H, Form, State>(
    handler: H,
    invocation: &'a Invocation<'a>,
    state: &'a State,
) -> Result<Payload, Failure<H::Error>>
where
    H: AsyncHandler<'a, Form, State>,
{
    invocation.cancels.set(true);
    handler.call(invocation, state)
}
