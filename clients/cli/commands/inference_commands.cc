#include "cli/commands/inference_commands.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/status_macros.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using inference::v1::Embedding;
using inference::v1::InferenceService;

struct VectorizeOptions {
  std::vector<std::string> texts;
  std::vector<std::string> images;
  std::string model;
};

constexpr int kFirstValues = 4;

double Norm(const Embedding& embedding) {
  double sum = 0;
  for (float value : embedding.values()) {
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}

std::string FirstValues(const Embedding& embedding) {
  std::string text;
  const int shown = std::min(kFirstValues, embedding.values_size());
  for (int i = 0; i < shown; ++i) {
    absl::StrAppendFormat(&text, "%s%.4f", i > 0 ? ", " : "",
                          embedding.values(i));
  }
  return embedding.values_size() > shown ? absl::StrCat(text, ", …") : text;
}

absl::StatusOr<int> Vectorize(const VectorizeOptions& options,
                              CommandContext& context) {
  if (options.texts.empty() && options.images.empty()) {
    return absl::InvalidArgumentError(
        "nothing to turn into vectors: give --text or --image");
  }
  inference::v1::VectorizeRequest request;
  request.set_model(options.model);
  std::vector<std::string> names;
  for (const std::string& text : options.texts) {
    request.add_inputs()->set_text(text);
    names.push_back(absl::StrCat("text ", text));
  }
  for (const std::string& image : options.images) {
    DIPTYCH_ASSIGN_OR_RETURN(*request.add_inputs()->mutable_image(),
                             ReadInputFile(image));
    names.push_back(absl::StrCat("image ", image));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto response,
      context.Inference().Call(&InferenceService::Stub::Vectorize, request,
                               context.Timeout()));
  const size_t count =
      std::min(names.size(), static_cast<size_t>(response.embeddings_size()));
  if (context.json) {
    Json embeddings = Json::array();
    for (size_t i = 0; i < count; ++i) {
      const Embedding& embedding = response.embeddings(static_cast<int>(i));
      embeddings.push_back(
          Json{{"input", names[i]},
               {"tokens", embedding.tokens()},
               {"truncated", embedding.truncated()},
               {"norm", Norm(embedding)},
               {"values", std::vector<float>(embedding.values().begin(),
                                             embedding.values().end())}});
    }
    context.Print(Json{{"model", response.model()},
                       {"fingerprint", response.fingerprint()},
                       {"dimension", response.dimension()},
                       {"normalized", response.normalized()},
                       {"embeddings", std::move(embeddings)}});
    return kSucceeded;
  }
  context.out() << "model        " << response.model() << "\n"
                << "fingerprint  " << response.fingerprint() << "\n"
                << "dimension    " << response.dimension() << "\n";
  Table table({{"input", Alignment::kLeft, 40},
               {"norm", Alignment::kRight},
               {"tokens", Alignment::kRight},
               {"first values"}});
  for (size_t i = 0; i < count; ++i) {
    const Embedding& embedding = response.embeddings(static_cast<int>(i));
    table.AddRow({names[i], absl::StrFormat("%.4f", Norm(embedding)),
                  absl::StrCat(embedding.tokens(),
                               embedding.truncated() ? " (cut)" : ""),
                  FirstValues(embedding)});
  }
  context.Print(table);
  return kSucceeded;
}

}  // namespace

void AddInferenceCommands(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<VectorizeOptions>();
  CLI::App* vectorize = app.add_subcommand(
      "vectorize", "Ask the inference service for vectors (for debugging)");
  vectorize->add_option("--text", options->texts, "A text; may be repeated")
      ->expected(1)
      ->take_all();
  vectorize
      ->add_option("--image", options->images,
                   "A picture's file; may be repeated")
      ->expected(1)
      ->take_all();
  vectorize->add_option("--model", options->model,
                        "Model (default: the service's default)");
  vectorize->callback([options, &context] {
    context.run = [options, &context] { return Vectorize(*options, context); };
  });
}

}  // namespace diptych::cli
