// The HTTP API of Weaviate's container multi2vec-clip
// (https://github.com/weaviate/multi2vec-clip-inference, app.py), so that a
// Weaviate cluster can use this service in its place:
//
//   POST /vectorize  {"texts": [...], "images": ["<Base64>", ...]}
//                    -> {"textVectors": [[...], ...], "imageVectors": [...]}
//   GET /meta        a JSON object about the model
//
// Operation: the default model embeds. A missing or null list is an empty one,
// both keys are in every answer, and the order is the request's. Other keys are
// ignored. A text of any length is cut to what the model reads, and an empty
// one has a vector, as there. Errors are {"error": "..."}.
// Concurrency: a free function. Limits: InferenceApi's.
#pragma once

#include <vector>

#include "common/http/http_message.h"
#include "inference/http/inference_api.h"

namespace diptych::inference {

// `api` outlives the server.
std::vector<HttpRoute> WeaviateRoutes(const InferenceApi& api);

}  // namespace diptych::inference
