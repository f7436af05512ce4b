faas_function::export!(service = app);

fn app() -> String {
    String::new()
}

// refused: line 1: this function does not make a service of HTTP requests
