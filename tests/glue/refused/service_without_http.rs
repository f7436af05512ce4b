faas_function::export!(service = app);

fn app() {}

// refused: line 1: `service` needs the feature `http` of the crate `faas-function`
