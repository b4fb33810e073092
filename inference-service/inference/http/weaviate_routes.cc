#include "inference/http/weaviate_routes.h"

#include <deque>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/http/http_status.h"
#include "inference/http/request_json.h"

namespace diptych::inference {
namespace {

using nlohmann::json;

HttpResponse ErrorResponse(const absl::Status& status) {
  HttpResponse response = JsonError(HttpStatusOf(status), status.message());
  response.retry_after = RetryAfterOf(status);
  return response;
}

// The strings of the list `key`; views into `object`.
absl::StatusOr<std::vector<absl::string_view>> Strings(const json& object,
                                                       const char* key) {
  std::vector<absl::string_view> strings;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return strings;
  if (!found->is_array()) {
    return InvalidField(key, absl::StrCat("must be a list of strings; given: ",
                                          found->type_name()));
  }
  for (size_t i = 0; i < found->size(); ++i) {
    if (!(*found)[i].is_string()) {
      return InvalidField(
          absl::StrCat(key, "[", i, "]"),
          absl::StrCat("must be a string; given: ", (*found)[i].type_name()));
    }
    strings.push_back((*found)[i].get_ref<const std::string&>());
  }
  return strings;
}

// `text` without what no model reads, cut between two characters.
absl::string_view Shorten(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

void AppendVectors(const PipelineOutput* begin, const PipelineOutput* end,
                   std::string& body) {
  body += '[';
  for (const PipelineOutput* output = begin; output != end; ++output) {
    if (output != begin) body += ',';
    AppendVector(output->embedding, body);
  }
  body += ']';
}

absl::StatusOr<std::string> Vectorize(const InferenceApi& api,
                                      const HttpRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::shared_ptr<ModelPipeline> pipeline,
                           api.Find(""));
  DIPTYCH_ASSIGN_OR_RETURN(const json object, ParseObject(request.body));
  DIPTYCH_ASSIGN_OR_RETURN(const auto texts, Strings(object, "texts"));
  DIPTYCH_ASSIGN_OR_RETURN(const auto images, Strings(object, "images"));
  std::vector<PipelineInput> inputs;
  for (size_t i = 0; i < texts.size(); ++i) {
    // Tokenisers drop a space at the end, so that it stands for no text.
    const absl::string_view text = texts[i].empty() ? " " : texts[i];
    inputs.push_back({Modality::kText,
                      Shorten(text, pipeline->limits().text_bytes_max),
                      absl::StrCat("texts[", i, "]")});
  }
  // Views point into it, so it must not move what it holds.
  std::deque<std::string> pictures;
  FieldViolations violations;
  for (size_t i = 0; i < images.size(); ++i) {
    std::string field = absl::StrCat("images[", i, "]");
    auto picture = DecodePicture(images[i], field);
    if (!picture.ok()) {
      for (const FieldViolation& violation :
           FieldViolationsOf(picture.status())) {
        violations.Add(violation.field, violation.description);
      }
      continue;
    }
    pictures.push_back(*std::move(picture));
    inputs.push_back({Modality::kImage, pictures.back(), std::move(field)});
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<PipelineOutput> outputs,
      api.Vectorize(*pipeline, std::move(inputs), request.hung_up));
  std::string answer = R"({"textVectors":)";
  const PipelineOutput* const images_begin = outputs.data() + texts.size();
  AppendVectors(outputs.data(), images_begin, answer);
  answer += R"(,"imageVectors":)";
  AppendVectors(images_begin, outputs.data() + outputs.size(), answer);
  answer += '}';
  return answer;
}

json MetaOf(const ModelInfo& info) {
  json modalities = json::array();
  if (info.has_text) modalities.push_back("text");
  if (info.has_image) modalities.push_back("image");
  return {
      {"model_name", info.name},        {"revision", info.revision},
      {"family", info.family},          {"modalities", modalities},
      {"dimension", info.dimension},    {"context_length", info.context_length},
      {"image_size", info.image_size},  {"normalized", info.normalized()},
      {"device", info.device},          {"precision", info.dtype},
      {"fingerprint", info.fingerprint}};
}

HttpResponse Meta(const InferenceApi& api) {
  const auto pipeline = api.Find("");
  if (!pipeline.ok()) return ErrorResponse(pipeline.status());
  return {200, ToText(MetaOf((*pipeline)->info()))};
}

}  // namespace

std::vector<HttpRoute> WeaviateRoutes(const InferenceApi& api) {
  return {
      {"POST", "/vectorize",
       [&api](const HttpRequest& request) -> HttpResponse {
         auto body = Vectorize(api, request);
         if (!body.ok()) return ErrorResponse(body.status());
         return {200, *std::move(body)};
       },
       /*blocks=*/true},
      {"GET", "/meta", [&api](const HttpRequest&) { return Meta(api); }},
  };
}

}  // namespace diptych::inference
