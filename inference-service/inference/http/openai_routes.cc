#include "inference/http/openai_routes.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/http/http_status.h"
#include "inference/http/request_json.h"

namespace diptych::inference {
namespace {

using nlohmann::json;

constexpr char kModelNotFound[] = "model_not_found";

HttpResponse ErrorResponse(int status, absl::string_view message,
                           const json& param, const json& code) {
  const char* const type = status == 429   ? "rate_limit_error"
                           : status >= 500 ? "server_error"
                                           : "invalid_request_error";
  return {status, ToText({{"error",
                           {{"message", std::string(message)},
                            {"type", type},
                            {"param", param},
                            {"code", code}}}})};
}

HttpResponse ErrorResponse(const absl::Status& status) {
  const int code = HttpStatusOf(status);
  json param;
  if (const auto fields = FieldViolationsOf(status); !fields.empty()) {
    param = fields.front().field;
  }
  json word;
  if (code == 404) {
    param = "model";
    word = kModelNotFound;
  } else if (code == 429) {
    word = "rate_limit_exceeded";
  }
  HttpResponse response = ErrorResponse(code, status.message(), param, word);
  response.retry_after = RetryAfterOf(status);
  return response;
}

enum class Encoding { kFloat, kBase64 };

absl::StatusOr<std::string> ModelName(const json& request) {
  const auto found = request.find("model");
  if (found == request.end() || found->is_null()) return "";
  if (!found->is_string()) {
    return InvalidField(
        "model", absl::StrCat("must be a string; given: ", found->type_name()));
  }
  return found->get<std::string>();
}

absl::StatusOr<Encoding> EncodingOf(const json& request) {
  const auto found = request.find("encoding_format");
  if (found == request.end() || found->is_null() || *found == "float") {
    return Encoding::kFloat;
  }
  if (*found == "base64") return Encoding::kBase64;
  return InvalidField("encoding_format",
                      absl::StrCat("must be float or base64; given: ",
                                   ToText(*found).substr(0, 100)));
}

absl::Status CheckDimensions(const json& request, const ModelInfo& info) {
  const auto found = request.find("dimensions");
  if (found == request.end() || found->is_null() || *found == info.dimension) {
    return absl::OkStatus();
  }
  return InvalidField(
      "dimensions",
      absl::StrCat("model ", info.name, " has vectors of ", info.dimension,
                   " dimensions, which cannot be shortened; leave it out; "
                   "given: ",
                   ToText(*found).substr(0, 100)));
}

// The inputs of a request; pictures are decoded into `pictures`, which must not
// move what it holds. Views into `request` otherwise.
absl::StatusOr<std::vector<PipelineInput>> Inputs(
    const json& request, std::deque<std::string>& pictures) {
  const auto found = request.find("input");
  if (found == request.end()) {
    return InvalidField("input", "is missing; give a string or a list of them");
  }
  std::vector<PipelineInput> inputs;
  const auto add = [&](const json& value, std::string field) -> absl::Status {
    if (!value.is_string()) {
      const bool tokens = value.is_number() || value.is_array();
      return InvalidField(
          field, absl::StrCat(tokens ? "is of tokens, whose numbers differ "
                                       "from model to model; give the text"
                                     : "must be a string, a text or a picture "
                                       "as a data URL",
                              "; given: ", value.type_name()));
    }
    const auto& text = value.get_ref<const std::string&>();
    if (!IsPictureUrl(text)) {
      inputs.push_back({Modality::kText, text, std::move(field)});
      return absl::OkStatus();
    }
    DIPTYCH_ASSIGN_OR_RETURN(std::string picture, DecodePicture(text, field));
    pictures.push_back(std::move(picture));
    inputs.push_back({Modality::kImage, pictures.back(), std::move(field)});
    return absl::OkStatus();
  };
  if (!found->is_array()) {
    DIPTYCH_RETURN_IF_ERROR(add(*found, "input"));
    return inputs;
  }
  if (found->empty()) {
    return InvalidField("input", "is empty; give at least one string");
  }
  if (found->size() > InferenceApi::kInputsMax) {
    return InvalidField("input",
                        absl::StrCat("has more than ", InferenceApi::kInputsMax,
                                     " elements; send fewer at a time; given: ",
                                     found->size()));
  }
  FieldViolations violations;
  for (size_t i = 0; i < found->size(); ++i) {
    const absl::Status added = add((*found)[i], absl::StrCat("input[", i, "]"));
    for (const FieldViolation& violation : FieldViolationsOf(added)) {
      violations.Add(violation.field, violation.description);
    }
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  return inputs;
}

std::string LittleEndianBase64(const Embedding& embedding) {
  std::string bytes;
  bytes.reserve(embedding.size() * sizeof(float));
  for (const float value : embedding) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    for (int shift = 0; shift < 32; shift += 8) {
      bytes += static_cast<char>(bits >> shift & 0xFF);
    }
  }
  return absl::Base64Escape(bytes);
}

absl::StatusOr<std::string> Embeddings(const InferenceApi& api,
                                       const HttpRequest& http) {
  DIPTYCH_ASSIGN_OR_RETURN(const json request, ParseObject(http.body));
  DIPTYCH_ASSIGN_OR_RETURN(const std::string name, ModelName(request));
  DIPTYCH_ASSIGN_OR_RETURN(const std::shared_ptr<ModelPipeline> pipeline,
                           api.Find(name));
  DIPTYCH_ASSIGN_OR_RETURN(const Encoding encoding, EncodingOf(request));
  DIPTYCH_RETURN_IF_ERROR(CheckDimensions(request, pipeline->info()));
  std::deque<std::string> pictures;
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<PipelineInput> inputs,
                           Inputs(request, pictures));
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<PipelineOutput> outputs,
      api.Vectorize(*pipeline, std::move(inputs), http.hung_up));
  std::string answer = R"({"object":"list","data":[)";
  int64_t tokens = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) answer += ',';
    absl::StrAppend(&answer, R"({"object":"embedding","index":)", i,
                    R"(,"embedding":)");
    if (encoding == Encoding::kFloat) {
      AppendVector(outputs[i].embedding, answer);
    } else {
      absl::StrAppend(&answer, "\"", LittleEndianBase64(outputs[i].embedding),
                      "\"");
    }
    answer += '}';
    tokens += outputs[i].tokens;
  }
  absl::StrAppend(&answer, R"(],"model":)", ToText(pipeline->info().name),
                  R"(,"usage":{"prompt_tokens":)", tokens,
                  R"(,"total_tokens":)", tokens, "}}");
  return answer;
}

json ModelJson(const InferenceApi& api, const ModelInfo& info) {
  return {{"id", info.name},
          {"object", "model"},
          {"created", absl::ToUnixSeconds(api.started())},
          {"owned_by", "diptych"}};
}

HttpResponse ListModels(const InferenceApi& api) {
  const auto pipelines = api.All();
  if (!pipelines.ok()) return ErrorResponse(pipelines.status());
  json data = json::array();
  for (const auto& pipeline : *pipelines) {
    data.push_back(ModelJson(api, pipeline->info()));
  }
  return {200, ToText({{"object", "list"}, {"data", data}})};
}

HttpResponse GetModel(const InferenceApi& api, const std::string& name) {
  const auto pipeline = api.Find(name);
  if (!pipeline.ok()) return ErrorResponse(pipeline.status());
  return {200, ToText(ModelJson(api, (*pipeline)->info()))};
}

}  // namespace

HttpResponse OpenAiError(int status, absl::string_view message) {
  return ErrorResponse(status, message, nullptr, nullptr);
}

std::vector<HttpRoute> OpenAiRoutes(const InferenceApi& api) {
  return {
      {"POST", "/v1/embeddings",
       [&api](const HttpRequest& request) -> HttpResponse {
         auto body = Embeddings(api, request);
         if (!body.ok()) return ErrorResponse(body.status());
         return {200, *std::move(body)};
       },
       /*blocks=*/true},
      {"GET", "/v1/models",
       [&api](const HttpRequest&) { return ListModels(api); }},
      {"GET", "/v1/models/{model...}",
       [&api](const HttpRequest& request) {
         return GetModel(api, request.parameters.at(0));
       }},
  };
}

}  // namespace diptych::inference
