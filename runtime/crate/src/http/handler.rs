//! The signatures of handlers of HTTP requests.

use super::request::{self, Caller};
use super::{document, IntoResponse, Request, StreamedResponse};
use crate::answer::Payload;
use crate::asynchronous::run;
use crate::call::Invocation;
use crate::handler::{AsyncHandler, Failure, Handler};
use crate::{stream, LambdaContext};
use std::fmt::Display;
use std::future::{ready, Future};
use std::marker::PhantomData;

/// A function that [`export!`](crate::export) exports as a handler of HTTP requests. `Form` is its signature, and is
/// always inferred.
///
/// | signature |
/// |---|
/// | `fn(Request) -> Result<R, E>` |
/// | `fn(Request, &LambdaContext) -> Result<R, E>` |
/// | `fn(Request, &LambdaContext, &State) -> Result<R, E>` |
///
/// Each may be `async`. `Request` is [`lambda_http::Request`]. `R` is any [`IntoResponse`], and under
/// `response = stream` a `Response<B>`: see [`StreamedResponse`]. `E` is any type that implements `Display`. An error
/// is a failure of the function, as everywhere; a caller with HTTP sees the status 502 then.
#[diagnostic::on_unimplemented(
    message = "the signature of this function is not one of a handler of HTTP requests",
    label = "such a handler is a `fn(Request) -> Result<R, E>`",
    note = "`Request` is `faas_function::http::Request`; `R` implements `IntoResponse`; `E` implements `Display`",
    note = "`&LambdaContext` may follow as the second parameter, and `&State` as the third"
)]
pub trait HttpHandler<'a, Form, State> {
    /// What becomes the response.
    type Answer;
    /// The author's error.
    type Error: Display;

    /// Calls the function.
    #[doc(hidden)]
    fn respond(
        &self,
        request: Request,
        context: &'a LambdaContext,
        state: &'a State,
    ) -> impl Future<Output = Result<Self::Answer, Self::Error>>;
}

/// The form of a function of HTTP requests, among those of all handlers.
pub struct Http<Form>(PhantomData<Form>);

/// The form of a function with these parameters.
pub struct Blocking<Parameters>(PhantomData<Parameters>);

/// The form of an `async` function with these parameters.
pub struct Async<Parameters>(PhantomData<Parameters>);

/// A form whose future `deadline = cancel` can drop.
pub trait IsAsync {}

impl<Parameters> IsAsync for Async<Parameters> {}

macro_rules! http_handlers {
    ($([$($context:ident $($state:ident: $type:ty)?)?])*) => {
        $(
            impl<'a, F, R, E, State> HttpHandler<'a, Blocking<(R, $(&'a LambdaContext, $(&'a $type)?)?)>, State> for F
            where
                F: Fn(Request $(, &'a LambdaContext $(, &'a $type)?)?) -> Result<R, E>,
                E: Display,
                State: 'a,
            {
                type Answer = R;
                type Error = E;

                fn respond(
                    &self,
                    request: Request,
                    _context: &'a LambdaContext,
                    _state: &'a State,
                ) -> impl Future<Output = Result<R, E>> {
                    ready(self(request $(, {let $context = _context; $context} $(, {let $state = _state; $state})?)?))
                }
            }

            impl<'a, F, Fut, R, E, State>
                HttpHandler<'a, Async<(Fut, $(&'a LambdaContext, $(&'a $type)?)?)>, State> for F
            where
                F: Fn(Request $(, &'a LambdaContext $(, &'a $type)?)?) -> Fut,
                Fut: Future<Output = Result<R, E>>,
                E: Display,
                State: 'a,
            {
                type Answer = R;
                type Error = E;

                fn respond(
                    &self,
                    request: Request,
                    _context: &'a LambdaContext,
                    _state: &'a State,
                ) -> impl Future<Output = Result<R, E>> {
                    self(request $(, {let $context = _context; $context} $(, {let $state = _state; $state})?)?)
                }
            }
        )*
    };
}

http_handlers! { [] [context] [context state: State] }

impl<'a, F, Form, State> Handler<'a, Http<Form>, State> for F
where
    F: HttpHandler<'a, Form, State>,
    F::Answer: IntoResponse,
{
    type Error = F::Error;

    fn call(&self, invocation: &'a Invocation<'a>, state: &'a State) -> Result<Payload, Failure<F::Error>> {
        let (request, caller) = request::read(invocation)?;
        let response = self.respond(request, &invocation.context, state);
        run(invocation, async {
            let answer = response.await.map_err(Failure::Returned)?;
            Ok(document::encode(caller, answer.into_response().await)?)
        })?
    }
}

impl<'a, F, Form, State> AsyncHandler<'a, Http<Form>, State> for F
where
    F: HttpHandler<'a, Form, State>,
    F::Answer: IntoResponse,
    Form: IsAsync,
{
}

/// Calls a handler whose response is sent in pieces, if the caller can take them.
///
/// # Errors
/// As for `call`, and those of the body.
pub fn call_streaming<'a, H, Form, State>(
    handler: H,
    invocation: &'a Invocation<'a>,
    state: &'a State,
) -> Result<Payload, Failure<H::Error>>
where
    H: HttpHandler<'a, Form, State>,
    H::Answer: StreamedResponse,
{
    let (request, caller) = request::read(invocation)?;
    let response = handler.respond(request, &invocation.context, state);
    run(invocation, async {
        let answer = response.await.map_err(Failure::Returned)?;
        if caller == Caller::LoadBalancer || !stream::is_offered() {
            return Ok(document::encode(caller, answer.into_response().await)?);
        }
        answer.send(&invocation.context).await?;
        Ok(Payload::default())
    })?
}

/// The same for a handler that is dropped shortly before the deadline.
///
/// # Errors
/// As for `call_streaming`, and an error of the type `Function.DeadlineReached`.
pub fn call_streaming_until_deadline<'a, H, Form, State>(
    handler: H,
    invocation: &'a Invocation<'a>,
    state: &'a State,
) -> Result<Payload, Failure<H::Error>>
where
    H: HttpHandler<'a, Form, State>,
    H::Answer: StreamedResponse,
    Form: IsAsync,
{
    invocation.cancels.set(true);
    call_streaming(handler, invocation, state)
}
