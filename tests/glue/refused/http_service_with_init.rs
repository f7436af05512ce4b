faas_function::export!(service = app, init = connect);

fn app() {}

fn connect() {}

// refused: line 1: a service has no `init`: the function that makes it takes its place
