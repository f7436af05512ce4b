faas_function::export!(handel);
// refused: line 1: cannot find value `handel` in this scope
