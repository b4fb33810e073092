#include "cli/commands/search_command.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
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
  std::string filter;
  int top_k = 10;
  int offset = 0;
  std::optional<double> max_distance;
  std::optional<double> min_certainty;
  bool exact = false;
  std::string vector_space;
  std::vector<std::string> properties;
};

absl::Status SetVector(const std::string& option, QueryRequest& request) {
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

absl::StatusOr<QueryRequest> RequestOf(const SearchOptions& options) {
  QueryRequest request;
  request.set_collection(options.collection);
  request.set_vector_space(options.vector_space);
  request.set_top_k(options.top_k);
  request.set_offset(options.offset);
  request.set_filter_expression(options.filter);
  request.set_exact(options.exact);
  if (options.max_distance) request.set_max_distance(*options.max_distance);
  if (options.min_certainty) request.set_min_certainty(*options.min_certainty);
  *request.mutable_projection()->mutable_properties() = {
      options.properties.begin(), options.properties.end()};
  const int queries = !options.texts.empty() + !options.image.empty() +
                      !options.id.empty() + !options.vector.empty();
  if (queries != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("give one of --text, --image, --id and --vector; ",
                     queries, " were given"));
  }
  if (!options.texts.empty()) {
    *request.mutable_near_text()->mutable_concepts() = {options.texts.begin(),
                                                        options.texts.end()};
  } else if (!options.image.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(*request.mutable_near_image()->mutable_image(),
                             ReadInputFile(options.image));
  } else if (!options.id.empty()) {
    request.mutable_near_object()->set_id(options.id);
  } else {
    DIPTYCH_RETURN_IF_ERROR(SetVector(options.vector, request));
  }
  return request;
}

Table ResultTable(
    const google::protobuf::RepeatedPtrField<QueryResult>& results,
    const SearchOptions& options) {
  bool certainty = false;
  std::vector<const storage::v1::Object*> objects;
  for (const QueryResult& result : results) {
    certainty = certainty || result.has_certainty();
    objects.push_back(&result.object());
  }
  const auto properties = PropertyColumns(objects, options.properties);
  std::vector<Column> columns = {
      {"rank", Alignment::kRight}, {"id"}, {"distance", Alignment::kRight}};
  if (certainty) columns.push_back({"certainty", Alignment::kRight});
  for (Column& column : PropertyTableColumns(properties)) {
    columns.push_back(std::move(column));
  }
  Table table(std::move(columns));
  int rank = options.offset;
  for (const QueryResult& result : results) {
    std::vector<std::string> cells = {
        absl::StrCat(++rank), result.object().id(),
        result.has_distance() ? absl::StrFormat("%.4f", result.distance())
                              : ""};
    if (certainty) {
      cells.push_back(result.has_certainty()
                          ? absl::StrFormat("%.4f", result.certainty())
                          : "");
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
      "search", "Find the objects nearest to a text, picture, object, vector");
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
