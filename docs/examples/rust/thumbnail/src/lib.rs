//! Makes a picture smaller. The request and the response have bodies of bytes.

use faas_function as faas;
use faas_function::http::{Body, Request, RequestExt, Response, StatusCode};
use image::ImageFormat;
use std::io::Cursor;

faas::export!(thumbnail);

const WIDTH: u32 = 64;

fn thumbnail(request: Request) -> Result<Response<Body>, faas::BoxError> {
    let parameters = request.query_string_parameters();
    let Ok(width) = parameters.first("width").map_or(Ok(WIDTH), str::parse) else {
        return refusal("the width is not a number");
    };
    let picture = match image::load_from_memory(request.body()) {
        Ok(picture) => picture,
        Err(error) => return refusal(&error.to_string()),
    };
    let mut small = Cursor::new(Vec::new());
    picture.thumbnail(width, width).write_to(&mut small, ImageFormat::Png)?;
    let response = Response::builder().header("content-type", "image/png");
    Ok(response.body(small.into_inner().into())?)
}

fn refusal(reason: &str) -> Result<Response<Body>, faas::BoxError> {
    let response = Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header("content-type", "text/plain");
    Ok(response.body(format!("{reason}\n").into())?)
}
