//! The state that `init` makes, and the hooks.

use crate::call::serve_shutdown;
use crate::error::Report;
use std::any::Any;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock, TryLockError};

/// A function that [`export!`](crate::export) accepts as `init`: `fn() -> Result<State, E>`, or an `async` one with the
/// feature `tokio`. `E` is any type that implements `Display`.
#[diagnostic::on_unimplemented(
    message = "the signature of this function is not one of `init`",
    label = "`init` is a `fn() -> Result<State, E>`",
    note = "`State` is `Send`, `Sync` and owns its values, and is `()` if there is none; `E` implements `Display`",
    note = "an `async fn` needs the feature `tokio` of the crate `faas-function`"
)]
pub trait Init<Form> {
    /// What the handlers get as their third parameter.
    type State: Send + Sync + 'static;
    /// The author's error.
    type Error: Display;

    /// Makes the state.
    #[doc(hidden)]
    fn make(&self) -> Result<Self::State, Self::Error>;
}

/// The form of a function that is not `async`.
pub struct Blocking(());

/// What `init` may return: `Result<State, E>`.
#[diagnostic::on_unimplemented(
    message = "`init` returns `{Self}`, which is not a `Result<State, E>`",
    label = "`init` is a `fn() -> Result<State, E>`",
    note = "`State` is `Send`, `Sync` and owns its values, and is `()` if there is none; `E` implements `Display`",
    note = "an `async fn` needs the feature `tokio` of the crate `faas-function`"
)]
pub trait InitResult {
    /// What the handlers get as their third parameter.
    type State: Send + Sync + 'static;
    /// The author's error.
    type Error: Display;

    /// The same as a `Result`.
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::State, Self::Error>;
}

impl<State: Send + Sync + 'static, E: Display> InitResult for Result<State, E> {
    type State = State;
    type Error = E;

    fn into_result(self) -> Result<State, E> {
        self
    }
}

impl<F, R> Init<Blocking> for F
where
    F: Fn() -> R,
    R: InitResult,
{
    type State = R::State;
    type Error = R::Error;

    fn make(&self) -> Result<R::State, R::Error> {
        self().into_result()
    }
}

/// A function that [`export!`](crate::export) accepts as `before_snapshot`, `after_restore` or `shutdown`: a
/// `fn() -> Result<(), E>` or a `fn(&State) -> Result<(), E>`, or an `async` one with the feature `tokio`. `shutdown` may
/// also return nothing.
#[diagnostic::on_unimplemented(
    message = "the signature of this function is not one of a hook",
    label = "a hook is a `fn() -> Result<(), E>` or a `fn(&State) -> Result<(), E>`",
    note = "`State` is what `init` returns; `E` implements `Display`",
    note = "an `async fn` needs the feature `tokio` of the crate `faas-function`"
)]
pub trait Hook<'a, Form, State> {
    /// The author's error.
    type Error: Display;

    /// Calls the hook.
    #[doc(hidden)]
    fn call(&self, state: &'a State) -> Result<(), Self::Error>;
}

/// What a hook may return.
pub trait HookResult {
    /// The author's error.
    type Error: Display;

    /// The same as a `Result`.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Self::Error>;
}

impl HookResult for () {
    type Error = std::convert::Infallible;

    fn into_result(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<E: Display> HookResult for Result<(), E> {
    type Error = E;

    fn into_result(self) -> Result<(), E> {
        self
    }
}

/// The form of a hook with these parameters.
pub struct HookForm<Kind, Parameters>(PhantomData<(Kind, Parameters)>);

impl<'a, F, R, State> Hook<'a, HookForm<Blocking, ()>, State> for F
where
    F: Fn() -> R,
    R: HookResult,
{
    type Error = R::Error;

    fn call(&self, _: &'a State) -> Result<(), R::Error> {
        self().into_result()
    }
}

impl<'a, F, R, State: 'a> Hook<'a, HookForm<Blocking, (&'a State,)>, State> for F
where
    F: Fn(&'a State) -> R,
    R: HookResult,
{
    type Error = R::Error;

    fn call(&self, state: &'a State) -> Result<(), R::Error> {
        self(state).into_result()
    }
}

/// The place for the state of a library. It is empty before `init` and after `shutdown`.
pub struct StateCell {
    state: RwLock<Option<Box<dyn Any + Send + Sync>>>,
}

impl StateCell {
    /// An empty place.
    #[must_use]
    #[allow(clippy::new_without_default)] // it is made as a static only
    pub const fn new() -> Self {
        StateCell {
            state: RwLock::new(None),
        }
    }

    /// Calls `init` and keeps the state.
    ///
    /// # Errors
    /// The author's error.
    pub fn fill<F, I: Init<F>>(&self, init: I) -> Result<(), I::Error> {
        let state = init.make()?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(state));
        Ok(())
    }

    /// Calls a function with the state. `init` only tells its type; that of a library without `init` is [`ExportHasNoInit`].
    ///
    /// # Panics
    /// If there is no state: the runtime calls `faas_init` first.
    pub fn with<F, I: Init<F>, T>(&self, _init: I, action: impl FnOnce(&I::State) -> T) -> T {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let state: &dyn Any = match state.as_deref() {
            Some(state) => state,
            None => &ExportHasNoInit(()),
        };
        action(state.downcast_ref().expect("the runtime has called faas_init"))
    }

    /// Drops the state, which closes what it holds. A call that is still running keeps it.
    pub fn empty(&self) {
        match self.state.try_write() {
            Ok(mut state) => drop(state.take()),
            Err(TryLockError::Poisoned(error)) => drop(error.into_inner().take()),
            Err(TryLockError::WouldBlock) => {}
        }
    }
}

/// The state of a library without `init`.
pub struct ExportHasNoInit(());

/// What a library without `init` has in the place of one.
///
/// # Errors
/// None.
pub fn no_init() -> Result<ExportHasNoInit, std::convert::Infallible> {
    Ok(ExportHasNoInit(()))
}

/// Calls the hook `shutdown`, if there is one, and drops the state.
pub fn shut_down(cell: &StateCell, hook: impl FnOnce() -> Result<(), Report>) {
    serve_shutdown(hook);
    serve_shutdown(|| {
        cell.empty();
        Ok(())
    });
}

/// Calls a hook. The compiler infers the form.
///
/// # Errors
/// The author's error.
pub fn call_hook<'a, H, Form, State>(hook: H, state: &'a State) -> Result<(), H::Error>
where
    H: Hook<'a, Form, State>,
{
    hook.call(state)
}
