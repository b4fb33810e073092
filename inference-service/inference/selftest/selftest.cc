#include "inference/selftest/selftest.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/status_macros.h"
#include "inference/image/image_decoder.h"
#include "inference/model/tensor_source.h"

namespace diptych::inference {
namespace {

using Outcome = SelftestResult::Outcome;

std::string Numbers(const std::vector<double>& values) {
  return absl::StrJoin(values, " ", [](std::string* out, double value) {
    absl::StrAppendFormat(out, "%.5g", value);
  });
}

double Dot(const Embedding& a, const Embedding& b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// Of the first `count` components.
double Cosine(const Embedding& a, const Embedding& b, size_t count) {
  return Dot(a, b, count) / std::sqrt(Dot(a, a, count) * Dot(b, b, count));
}

Outcome Compare(const std::vector<double>& expected,
                const std::vector<double>& got, double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    // Written so that NaN differs.
    if (!(std::abs(expected[i] - got[i]) <= tolerance)) {
      return Outcome::kDiffers;
    }
  }
  return Outcome::kAsPublished;
}

class Comparison {
 public:
  Comparison(const Model& model, const ModelDescription& description,
             std::string image_folder)
      : model_(model),
        description_(description),
        image_folder_(std::move(image_folder)) {}

  absl::StatusOr<SelftestResult> Run(const PublishedValue& value) const {
    if (value.tokens.has_value()) return Tokens(*value.tokens);
    if (value.embedding.has_value()) return FirstOf(*value.embedding);
    if (value.similarities.has_value()) {
      return Similarities(*value.similarities);
    }
    return Scores(*value.scores);
  }

 private:
  absl::StatusOr<Embedding> EmbedText(const std::string& text) const {
    DIPTYCH_ASSIGN_OR_RETURN(TokenIds ids, model_.tokenizer->Tokenize(text));
    DIPTYCH_ASSIGN_OR_RETURN(auto rows, model_.encoder->EncodeTexts({ids}));
    return std::move(rows.front());
  }

  absl::StatusOr<Embedding> EmbedImage(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    DIPTYCH_ASSIGN_OR_RETURN(const Image image, DecodeImage(bytes));
    DIPTYCH_ASSIGN_OR_RETURN(Image prepared,
                             model_.image_preprocessor->Preprocess(image));
    DIPTYCH_ASSIGN_OR_RETURN(auto rows,
                             model_.encoder->EncodeImages({prepared}));
    return std::move(rows.front());
  }

  // "" when no file has one of `names`.
  std::string FindImage(const std::vector<std::string>& names) const {
    std::error_code error;
    for (const std::string& name : names) {
      const auto path = std::filesystem::path(image_folder_) / name;
      if (!image_folder_.empty() && std::filesystem::exists(path, error)) {
        return path.string();
      }
    }
    return "";
  }

  absl::StatusOr<SelftestResult> Tokens(const PublishedTokens& value) const {
    SelftestResult result;
    result.what = absl::StrCat("tokens of \"", value.text, "\"");
    DIPTYCH_ASSIGN_OR_RETURN(const TokenIds ids,
                             model_.tokenizer->Tokenize(value.text));
    result.expected = absl::StrJoin(value.ids, " ");
    result.got = absl::StrJoin(ids.ids, " ");
    result.outcome =
        ids.ids == value.ids ? Outcome::kAsPublished : Outcome::kDiffers;
    return result;
  }

  absl::StatusOr<SelftestResult> FirstOf(
      const PublishedEmbedding& value) const {
    SelftestResult result;
    result.what = absl::StrCat("direction of the first ", value.first.size(),
                               " components of \"", value.text, "\"");
    result.expected =
        absl::StrFormat("cosine of at least %.4f", value.cosine_min);
    DIPTYCH_ASSIGN_OR_RETURN(const Embedding row, EmbedText(value.text));
    const double cosine =
        Cosine(row, value.first, std::min(row.size(), value.first.size()));
    result.got = absl::StrFormat("%.6f", cosine);
    result.outcome =
        cosine >= value.cosine_min ? Outcome::kAsPublished : Outcome::kDiffers;
    return result;
  }

  absl::StatusOr<SelftestResult> Similarities(
      const PublishedSimilarities& value) const {
    std::vector<Embedding> rows;
    for (const std::string& text : value.texts) {
      DIPTYCH_ASSIGN_OR_RETURN(Embedding row, EmbedText(text));
      rows.push_back(std::move(row));
    }
    std::vector<double> cosines;
    for (const Embedding& a : rows) {
      for (const Embedding& b : rows) cosines.push_back(Cosine(a, b, a.size()));
    }
    SelftestResult result;
    result.what = absl::StrCat("cosines of ", value.texts.size(), " texts");
    result.expected = Numbers(value.cosines);
    result.got = Numbers(cosines);
    result.outcome = Compare(value.cosines, cosines, value.tolerance);
    return result;
  }

  // A number among the weights, which towers do not need.
  absl::StatusOr<double> Scalar(const std::string& name) const {
    DIPTYCH_ASSIGN_OR_RETURN(const WeightFolders weights,
                             WeightFolders::Open(description_.image->weights));
    // SigLIP has a vector of one number.
    absl::StatusOr<std::vector<float>> value = weights.ReadFloats(name, {});
    if (!value.ok()) value = weights.ReadFloats(name, {1});
    DIPTYCH_RETURN_IF_ERROR(value.status());
    return value->front();
  }

  absl::StatusOr<double> Bias() const {
    DIPTYCH_ASSIGN_OR_RETURN(const WeightFolders weights,
                             WeightFolders::Open(description_.image->weights));
    return weights.Contains("logit_bias") ? Scalar("logit_bias") : 0.0;
  }

  absl::StatusOr<SelftestResult> Scores(const PublishedScores& value) const {
    const bool probabilities =
        value.kind == PublishedScores::Kind::kProbabilities;
    SelftestResult result;
    result.what = absl::StrCat(probabilities ? "probabilities" : "logits",
                               " of ", value.images.front(), " with ",
                               value.texts.size(), " texts");
    result.expected = Numbers(value.values);
    const std::string path = FindImage(value.images);
    if (path.empty()) {
      result.got =
          absl::StrCat("needs ", value.images.front(), " in --selftest-images");
      return result;
    }
    DIPTYCH_ASSIGN_OR_RETURN(const Embedding image, EmbedImage(path));
    DIPTYCH_ASSIGN_OR_RETURN(const double log_scale, Scalar("logit_scale"));
    DIPTYCH_ASSIGN_OR_RETURN(const double bias, Bias());
    std::vector<double> scores;
    for (const std::string& text : value.texts) {
      DIPTYCH_ASSIGN_OR_RETURN(const Embedding row, EmbedText(text));
      scores.push_back(std::exp(log_scale) * Cosine(row, image, image.size()) +
                       bias);
    }
    if (probabilities) {
      const double most = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& score : scores) sum += score = std::exp(score - most);
      for (double& score : scores) score /= sum;
    }
    result.got = Numbers(scores);
    result.outcome = Compare(value.values, scores, value.tolerance);
    return result;
  }

  const Model& model_;
  const ModelDescription& description_;
  const std::string image_folder_;
};

const char* WordOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAsPublished:
      return "as published";
    case Outcome::kDiffers:
      return "DIFFERS";
    case Outcome::kNotChecked:
      return "not checked";
  }
  return "";
}

}  // namespace

absl::StatusOr<PublishedModel> FindPublished(
    const ModelDescription& description,
    const std::vector<PublishedModel>& published) {
  for (const PublishedModel& model : published) {
    if (model.Fits(description)) return model;
  }
  return absl::NotFoundError(absl::StrCat(
      "no values are known that were published for such a model (family ",
      description.family, ", ", description.dimension(),
      " dimensions); they are for ",
      absl::StrJoin(published, ", ",
                    [](std::string* out, const PublishedModel& model) {
                      absl::StrAppend(out, model.name);
                    })));
}

absl::StatusOr<std::vector<SelftestResult>> CompareWithPublished(
    const Model& model, const ModelDescription& description,
    const PublishedModel& published, const std::string& image_folder) {
  const Comparison comparison(model, description, image_folder);
  std::vector<SelftestResult> results;
  for (const PublishedValue& value : published.values) {
    DIPTYCH_ASSIGN_OR_RETURN(SelftestResult result, comparison.Run(value));
    result.source = value.source;
    results.push_back(std::move(result));
  }
  return results;
}

int ReportSelftest(const std::string& directory, const PublishedModel& model,
                   const std::vector<SelftestResult>& results,
                   std::ostream& out) {
  out << directory << " has the shapes of " << model.name << "\n";
  int counts[3] = {};
  for (const SelftestResult& result : results) {
    ++counts[static_cast<int>(result.outcome)];
    out << WordOf(result.outcome) << ": " << result.what << "\n  expected "
        << result.expected << "\n  got      " << result.got << "\n  source   "
        << result.source << "\n";
  }
  const int good = counts[static_cast<int>(Outcome::kAsPublished)];
  const int bad = counts[static_cast<int>(Outcome::kDiffers)];
  out << good << " as published, " << bad << " differ, "
      << counts[static_cast<int>(Outcome::kNotChecked)] << " not checked\n";
  if (bad > 0) {
    out << "either these are not the weights of " << model.name
        << ", but others of its shapes, or they are damaged, or this program "
           "is wrong\n";
  }
  if (bad > 0) return 1;
  return good > 0 ? 0 : 2;
}

}  // namespace diptych::inference
