#include "cli/commands/search_command.h"

#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/commands/collection_commands.h"
#include "cli/commands/object_commands.h"
#include "cli/output/error_report.h"
#include "cli/output/json_output.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using storage::v1::QueryRequest;
using storage::v1::QueryResult;
using storage::v1::SearchService;

struct SearchOptions {
  std::string collection;
  std::vector<std::string> texts;
  std::string image;
  std::string id;
  std::string vector;
  std::string keyword;
  std::string hybrid;
  std::vector<std::string> keyword_properties;
  double alpha = 0.75;
  std::string fusion = "relative-score";
  std::string filter;
  int top_k = 10;
  int offset = 0;
  std::optional<double> max_distance;
  std::optional<double> min_certainty;
  bool exact = false;
  std::string vector_space;
  std::vector<std::string> properties;
};

// Into a QueryRequest or a part of a fusion.
template <typename Message>
absl::Status SetVector(const std::string& option, Message& request) {
  std::string text = option;
  if (absl::StartsWith(option, "@")) {
    DIPTYCH_ASSIGN_OR_RETURN(text, ReadInputFile(option.substr(1)));
  }
  const auto json = ParseJson(text);
  if (!json.ok() || !json->is_array() || json->empty()) {
    return absl::InvalidArgumentError(
        "--vector is not a JSON list of numbers; give \"[0.1, 0.2, ...]\" or "
        "@FILE");
  }
  auto& values = *request.mutable_near_vector()
                      ->mutable_vector()
                      ->mutable_dense()
                      ->mutable_values();
  for (const Json& number : *json) {
    if (!number.is_number()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--vector holds something else than numbers: ", number.dump()));
    }
    values.Add(number.get<float>());
  }
  return absl::OkStatus();
}

template <typename Message>
absl::Status SetNear(const SearchOptions& options, Message& request) {
  if (!options.image.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(*request.mutable_near_image()->mutable_image(),
                             ReadInputFile(options.image));
  } else if (!options.id.empty()) {
    request.mutable_near_object()->set_id(options.id);
  } else if (!options.vector.empty()) {
    return SetVector(options.vector, request);
  } else if (!options.hybrid.empty()) {
    request.mutable_near_text()->add_concepts(options.hybrid);
  } else {
    *request.mutable_near_text()->mutable_concepts() = {options.texts.begin(),
                                                        options.texts.end()};
  }
  return absl::OkStatus();
}

// Properties are named as in Weaviate: "title^2" counts twice.
template <typename Message>
absl::Status SetKeyword(const SearchOptions& options, Message& request) {
  auto& keyword = *request.mutable_keyword();
  keyword.set_text(options.hybrid.empty() ? options.keyword : options.hybrid);
  for (const std::string& property : options.keyword_properties) {
    const size_t at = property.rfind('^');
    if (at == std::string::npos) {
      keyword.add_properties(property);
      continue;
    }
    double boost = 0;
    if (!absl::SimpleAtod(property.substr(at + 1), &boost)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--keyword-properties has no number behind the ^; give NAME or "
          "NAME^NUMBER: ",
          property));
    }
    keyword.add_properties(property.substr(0, at));
    (*keyword.mutable_boosts())[property.substr(0, at)] = boost;
  }
  return absl::OkStatus();
}

absl::Status SetQuery(const SearchOptions& options, QueryRequest& request) {
  const int near = !options.texts.empty() + !options.image.empty() +
                   !options.id.empty() + !options.vector.empty();
  const bool both = !options.hybrid.empty();
  const bool words = both || !options.keyword.empty();
  if (both ? near > 0 || !options.keyword.empty()
           : near > 1 || near + words == 0) {
    return absl::InvalidArgumentError(
        "give one of --text, --image, --id and --vector, or --keyword, or one "
        "of each, or --hybrid alone");
  }
  const double vector_weight = !both && near == 0 ? 0
                               : words            ? options.alpha
                                                  : 1;
  if (vector_weight == 1) {
    request.set_vector_space(options.vector_space);
    return SetNear(options, request);
  }
  if (vector_weight == 0) {
    // The server says that words have no use for it.
    if (near == 0 && !both) request.set_vector_space(options.vector_space);
    return SetKeyword(options, request);
  }
  storage::v1::Fusion& fusion = *request.mutable_fusion();
  fusion.set_method(options.fusion == "relative-score"
                        ? storage::v1::FUSION_METHOD_RELATIVE_SCORE
                        : storage::v1::FUSION_METHOD_RECIPROCAL_RANK);
  storage::v1::FusionPart& vectors = *fusion.add_parts();
  vectors.set_weight(vector_weight);
  vectors.set_vector_space(options.vector_space);
  DIPTYCH_RETURN_IF_ERROR(SetNear(options, vectors));
  storage::v1::FusionPart& keywords = *fusion.add_parts();
  keywords.set_weight(1 - vector_weight);
  return SetKeyword(options, keywords);
}

absl::StatusOr<QueryRequest> RequestOf(const SearchOptions& options) {
  QueryRequest request;
  request.set_collection(options.collection);
  request.set_top_k(options.top_k);
  request.set_offset(options.offset);
  request.set_filter_expression(options.filter);
  request.set_exact(options.exact);
  if (options.max_distance) request.set_max_distance(*options.max_distance);
  if (options.min_certainty) request.set_min_certainty(*options.min_certainty);
  *request.mutable_projection()->mutable_properties() = {
      options.properties.begin(), options.properties.end()};
  DIPTYCH_RETURN_IF_ERROR(SetQuery(options, request));
  return request;
}

Table ResultTable(
    const google::protobuf::RepeatedPtrField<QueryResult>& results,
    const SearchOptions& options) {
  bool certainty = false, distance = false, score = false;
  std::vector<const storage::v1::Object*> objects;
  for (const QueryResult& result : results) {
    certainty = certainty || result.has_certainty();
    distance = distance || result.has_distance();
    score = score || result.has_score();
    objects.push_back(&result.object());
  }
  const auto properties = PropertyColumns(objects, options.properties);
  std::vector<Column> columns = {{"rank", Alignment::kRight}, {"id"}};
  if (score) columns.push_back({"score", Alignment::kRight});
  if (distance) columns.push_back({"distance", Alignment::kRight});
  if (certainty) columns.push_back({"certainty", Alignment::kRight});
  for (Column& column : PropertyTableColumns(properties)) {
    columns.push_back(std::move(column));
  }
  Table table(std::move(columns));
  int rank = options.offset;
  for (const QueryResult& result : results) {
    std::vector<std::string> cells = {absl::StrCat(++rank),
                                      result.object().id()};
    for (const auto& [shown, has, number] :
         {std::tuple(score, result.has_score(), result.score()),
          std::tuple(distance, result.has_distance(), result.distance()),
          std::tuple(certainty, result.has_certainty(), result.certainty())}) {
      if (shown) cells.push_back(has ? absl::StrFormat("%.4f", number) : "");
    }
    for (std::string& cell : PropertyCells(result.object(), properties)) {
      cells.push_back(std::move(cell));
    }
    table.AddRow(std::move(cells));
  }
  return table;
}

absl::StatusOr<int> Search(const SearchOptions& options,
                           CommandContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(const QueryRequest request, RequestOf(options));
  const auto response =
      context.CallStorage(&SearchService::Stub::Query, request);
  if (!response.ok()) return ExplainCollection(response.status());
  if (context.json) {
    Json results = Json::array();
    int rank = options.offset;
    for (const QueryResult& result : response->results()) {
      results.push_back(QueryResultToJson(result, ++rank));
    }
    context.Print(Json{{"collection", options.collection},
                       {"results", std::move(results)}});
  } else if (response->results().empty()) {
    context.out() << "nothing found\n";
  } else {
    context.Print(ResultTable(response->results(), options));
  }
  return kSucceeded;
}

}  // namespace

void AddSearchCommand(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<SearchOptions>();
  CLI::App* search = app.add_subcommand(
      "search",
      "Find objects near a text, picture, object, vector, or by words");
  search->add_option("-c,--collection", options->collection, "Collection")
      ->required();
  search
      ->add_option("--text", options->texts,
                   "Words; several --text are averaged")
      ->expected(1)
      ->take_all();
  search->add_option("--image", options->image, "A picture's file");
  search->add_option("--id", options->id, "An object of the collection");
  search->add_option("--vector", options->vector,
                     "A JSON list of numbers, or @FILE with one");
  search->add_option("--keyword", options->keyword,
                     "Words to be found in texts, by BM25; beside one of the "
                     "above the two are fused");
  search->add_option("--hybrid", options->hybrid,
                     "A text for both: --text and --keyword");
  search
      ->add_option("--alpha", options->alpha,
                   "Of a fusion: weight of the vectors; words have the rest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  search->add_option("--fusion", options->fusion, "How the two are fused")
      ->check(CLI::IsMember({"relative-score", "reciprocal-rank"}))
      ->capture_default_str();
  search
      ->add_option("--keyword-properties", options->keyword_properties,
                   "Look for words in these only, e.g. title^2,caption")
      ->delimiter(',')
      ->allow_extra_args(false);
  search->add_option("--filter", options->filter,
                     "Only those that match, e.g. \"year >= 2020\"");
  search->add_option("-k,--top-k", options->top_k, "How many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  search->add_option("--offset", options->offset, "Leave out so many before")
      ->check(CLI::Range(0, 10000));
  search->add_option("--max-distance", options->max_distance,
                     "Leave out what is farther");
  search
      ->add_option("--min-certainty", options->min_certainty,
                   "Leave out what is less certain (cosine)")
      ->check(CLI::Range(0.0, 1.0));
  search->add_flag("--exact", options->exact,
                   "Compare with every vector, not through the graph");
  search->add_option("--vector-space", options->vector_space,
                     "Which of the collection's vectors (default: default)");
  search
      ->add_option("--properties", options->properties,
                   "Only these, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  search->callback([options, &context] {
    context.run = [options, &context] { return Search(*options, context); };
  });
}

}  // namespace diptych::cli
