faas_function::export!();
// refused: line 1: expected the names of handlers, then options: export!(put, get, init = connect)
