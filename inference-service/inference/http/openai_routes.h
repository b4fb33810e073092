// OpenAI's API of embeddings
// (https://platform.openai.com/docs/api-reference/embeddings):
//
//   POST /v1/embeddings     {"input": "..." or ["...", ...], "model": "...",
//                            "encoding_format": "float" or "base64"}
//   GET /v1/models          the models of this service
//   GET /v1/models/{model}  one of them
//
// Operation: an input that begins with "data:image/" is a picture as a data
// URL, any other is a text, and both may stand in one list. A text is cut to
// the model's context. base64 is of the floats' little-endian bytes.
// "dimensions" must be the model's own; lists of tokens are refused. Without
// "model" the default one embeds. Errors have OpenAI's shape, {"error":
// {"message", "type", "param", "code"}}.
// Concurrency: free functions. Limits: InferenceApi's.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/http/http_message.h"
#include "inference/http/inference_api.h"

namespace diptych::inference {

// `api` outlives the server.
std::vector<HttpRoute> OpenAiRoutes(const InferenceApi& api);

// What the server itself refuses, in OpenAI's shape.
HttpResponse OpenAiError(int status, absl::string_view message);

}  // namespace diptych::inference
