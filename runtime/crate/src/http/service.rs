//! Services of tower, such as an axum `Router`.

use super::handler::IsAsync;
use super::{HttpHandler, Request};
use crate::state::Init;
use crate::LambdaContext;
use lambda_http::Service;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::{poll_fn, ready, Future};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

/// A function that [`export!`](crate::export) accepts as `service`: a `fn() -> S` or a `fn() -> Result<S, E>`, or an
/// `async` one. It runs once, before the first invocation. A failure ends the process. `Form` is always inferred.
///
/// `S` is a service of tower for requests: it implements `tower_service::Service<Request>`, `Clone` and `Send`. Each
/// invocation has a clone of it. Its response and its error are what [`HttpHandler`] says of handlers.
///
/// ```
/// use faas_function::http::lambda_http::{service_fn, Error, Service};
/// use faas_function::http::{Body, Request, Response};
///
/// faas_function::export!(service = app);
///
/// fn app() -> impl Service<Request, Response = Response<Body>, Error = Error> + Clone + Send {
///     service_fn(|request: Request| async move {
///         Ok(Response::new(request.uri().path().to_uppercase().into()))
///     })
/// }
/// # fn main() {}
/// ```
///
/// An axum `Router` is such a service. So an application whose `fn app() -> Router` makes it needs the line with
/// `export!` in the place of `main`, and no other change.
#[diagnostic::on_unimplemented(
    message = "this function does not make a service of HTTP requests",
    label = "`service` is a `fn() -> S` or a `fn() -> Result<S, E>`, and may be `async`",
    note = "`S` implements `tower_service::Service<faas_function::http::Request>`, `Clone` and `Send`",
    note = "`E` implements `Display`"
)]
pub trait MakeService<Form> {
    /// The service.
    type Service: Service<Request> + Clone + Send + 'static;
    /// The author's error.
    type Error: Display;

    /// Makes the service.
    #[doc(hidden)]
    fn make(&self) -> impl Future<Output = Result<Self::Service, Self::Error>>;
}

/// The form of a function that returns a service.
pub struct Plain(());

/// The form of a function that returns a service or an error.
pub struct Fallible<E>(PhantomData<E>);

/// The form of an `async` function that returns a service.
pub struct AsyncPlain<Fut>(PhantomData<Fut>);

/// The form of an `async` function that returns a service or an error.
pub struct AsyncFallible<Fut, E>(PhantomData<(Fut, E)>);

impl<F, S> MakeService<Plain> for F
where
    F: Fn() -> S,
    S: Service<Request> + Clone + Send + 'static,
{
    type Service = S;
    type Error = Infallible;

    fn make(&self) -> impl Future<Output = Result<S, Infallible>> {
        ready(Ok(self()))
    }
}

impl<F, S, E> MakeService<Fallible<E>> for F
where
    F: Fn() -> Result<S, E>,
    S: Service<Request> + Clone + Send + 'static,
    E: Display,
{
    type Service = S;
    type Error = E;

    fn make(&self) -> impl Future<Output = Result<S, E>> {
        ready(self())
    }
}

impl<F, Fut, S> MakeService<AsyncPlain<Fut>> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
    S: Service<Request> + Clone + Send + 'static,
{
    type Service = S;
    type Error = Infallible;

    async fn make(&self) -> Result<S, Infallible> {
        Ok(self().await)
    }
}

impl<F, Fut, S, E> MakeService<AsyncFallible<Fut, E>> for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<S, E>>,
    S: Service<Request> + Clone + Send + 'static,
    E: Display,
{
    type Service = S;
    type Error = E;

    fn make(&self) -> impl Future<Output = Result<S, E>> {
        self()
    }
}

/// What `export!(service = app)` has in the place of an `init`.
pub struct ServiceInit<F, Form> {
    make: F,
    form: PhantomData<Form>,
}

/// The `init` of a service.
pub fn service<F: MakeService<Form>, Form>(make: F) -> ServiceInit<F, Form> {
    ServiceInit {
        make,
        form: PhantomData,
    }
}

/// The state of a library with a service. A clone is made under the lock, so a service need not be `Sync`.
pub struct Served<S>(Mutex<S>);

impl<F: MakeService<Form>, Form> Init<ServiceForm<Form>> for ServiceInit<F, Form> {
    type State = Served<F::Service>;
    type Error = F::Error;

    fn make(&self) -> Result<Self::State, F::Error> {
        let service = crate::asynchronous::runtime().block_on(self.make.make())?;
        Ok(Served(Mutex::new(service)))
    }
}

/// The form of a function that makes a service.
pub struct ServiceForm<Form>(PhantomData<Form>);

impl<Form> IsAsync for ServiceForm<Form> {}

/// The function itself is the handler: its service is the state.
impl<'a, F, Form, S> HttpHandler<'a, ServiceForm<Form>, Served<S>> for F
where
    F: MakeService<Form, Service = S>,
    S: Service<Request> + Clone + Send + 'static,
    S::Error: Display,
{
    type Answer = S::Response;
    type Error = S::Error;

    async fn respond(
        &self,
        request: Request,
        _: &'a LambdaContext,
        state: &'a Served<S>,
    ) -> Result<S::Response, S::Error> {
        let mut service = state.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(request).await
    }
}
