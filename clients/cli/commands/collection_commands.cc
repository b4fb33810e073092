#include "cli/commands/collection_commands.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/output/error_report.h"
#include "cli/output/json_output.h"
#include "cli/terminal/display_width.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/collection_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using storage::v1::Collection;
using storage::v1::CollectionService;
using storage::v1::VectorSpace;

using WeightedFields =
    google::protobuf::RepeatedPtrField<storage::v1::WeightedField>;

absl::Status AddFields(const std::vector<std::string>& options,
                       const char* flag, WeightedFields& fields) {
  for (const std::string& option : options) {
    storage::v1::WeightedField& field = *fields.Add();
    const size_t equals = option.rfind('=');
    field.set_property(option.substr(0, equals));
    if (equals == std::string::npos) continue;
    double weight = 0;
    if (!absl::SimpleAtod(option.substr(equals + 1), &weight) ||
        !(weight > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag,
                       " has no weight above 0 after '='; give PROPERTY "
                       "or PROPERTY=WEIGHT: ",
                       option));
    }
    field.set_weight(weight);
  }
  return absl::OkStatus();
}

absl::StatusOr<VectorSpace> SpaceOf(const CollectionOptions& options) {
  VectorSpace space;
  space.set_name("default");
  if (options.metric == "l2") {
    space.set_metric(storage::v1::METRIC_SQUARED_L2);
  } else if (options.metric == "ip") {
    space.set_metric(storage::v1::METRIC_INNER_PRODUCT);
  } else {
    space.set_metric(storage::v1::METRIC_COSINE);
  }
  space.set_dimension(options.dimension);
  const bool fields =
      !options.text_fields.empty() || !options.image_fields.empty();
  if (options.no_vectorizer) {
    if (fields || !options.model.empty()) {
      return absl::InvalidArgumentError(
          "--no-vectorizer means that you bring your own vectors; leave out "
          "--text-field, --image-field and --model");
    }
    return space;
  }
  storage::v1::Vectorizer& vectorizer = *space.mutable_vectorizer();
  vectorizer.set_model(options.model);
  DIPTYCH_RETURN_IF_ERROR(AddFields(options.text_fields, "--text-field",
                                    *vectorizer.mutable_text_fields()));
  DIPTYCH_RETURN_IF_ERROR(AddFields(options.image_fields, "--image-field",
                                    *vectorizer.mutable_image_fields()));
  if (!fields) {
    vectorizer.add_text_fields()->set_property("document");
    vectorizer.add_image_fields()->set_property("image");
  }
  return space;
}

std::string SourceText(const VectorSpace& space) {
  if (!space.has_vectorizer()) return "own vectors";
  std::vector<std::string> fields;
  const auto add = [&fields](const WeightedFields& list, const char* kind) {
    for (const auto& field : list) {
      fields.push_back(absl::StrCat(field.property(), " (", kind, ")"));
    }
  };
  add(space.vectorizer().text_fields(), "text");
  add(space.vectorizer().image_fields(), "image");
  return absl::StrJoin(fields, " + ");
}

std::string DimensionText(const VectorSpace& space) {
  return space.dimension() == 0 ? "" : absl::StrCat(space.dimension());
}

void PrintCollection(const Collection& collection, CommandContext& context) {
  if (context.json) return context.Print(CollectionToJson(collection));
  const Style style = context.OutStyle();
  context.out() << style.Bold(Printable(collection.name())) << "\n"
                << "  uid      " << collection.uid() << "\n"
                << "  created  " << TimestampText(collection.create_time())
                << "\n";
  std::vector<std::pair<std::string, std::string>> metadata;
  for (const auto& [key, value] : collection.metadata()) {
    metadata.emplace_back(key, ValueText(value));
  }
  std::sort(metadata.begin(), metadata.end());
  for (const auto& [key, value] : metadata) {
    context.out() << "  " << Printable(key) << " = " << Printable(value)
                  << "\n";
  }
  Table table({{"space"},
               {"metric"},
               {"dimension", Alignment::kRight},
               {"made from"},
               {"model"},
               {"fingerprint", Alignment::kLeft, 17}});
  for (const VectorSpace& space : collection.vector_spaces()) {
    table.AddRow({space.name(), MetricName(space.metric()),
                  DimensionText(space), SourceText(space),
                  space.vectorizer().model(), space.model_fingerprint()});
  }
  context.Print(table);
}

absl::StatusOr<int> Create(const CollectionOptions& options, bool get_or_create,
                           CommandContext& context) {
  storage::v1::CreateCollectionRequest request;
  DIPTYCH_ASSIGN_OR_RETURN(*request.mutable_collection(),
                           CollectionOf(options));
  request.set_get_or_create(get_or_create);
  auto response =
      context.CallStorage(&CollectionService::Stub::CreateCollection, request);
  if (absl::IsAlreadyExists(response.status())) {
    return WithHint(response.status(),
                    "add --get-or-create to use it as it is, or delete it "
                    "first with `diptych collection delete`");
  }
  if (!response.ok()) return response.status();
  if (context.json) {
    Json document = CollectionToJson(response->collection());
    document["created"] = response->created();
    context.Print(document);
  } else {
    context.out() << (response->created() ? "created" : "found")
                  << " collection " << Printable(response->collection().name())
                  << "\n";
    PrintCollection(response->collection(), context);
  }
  return kSucceeded;
}

absl::StatusOr<int> List(CommandContext& context) {
  std::vector<Collection> collections;
  storage::v1::ListCollectionsRequest request;
  request.set_page_size(1000);
  do {
    DIPTYCH_ASSIGN_OR_RETURN(
        const auto response,
        context.CallStorage(&CollectionService::Stub::ListCollections,
                            request));
    collections.insert(collections.end(), response.collections().begin(),
                       response.collections().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (context.json) {
    Json list = Json::array();
    for (const Collection& collection : collections) {
      list.push_back(CollectionToJson(collection));
    }
    context.Print(Json::object({{"collections", std::move(list)}}));
    return kSucceeded;
  }
  if (collections.empty()) {
    context.out() << "no collections; make one with `diptych collection create "
                     "NAME` or `diptych import`\n";
    return kSucceeded;
  }
  Table table({{"name"},
               {"space"},
               {"metric"},
               {"dimension", Alignment::kRight},
               {"made from", Alignment::kLeft, 48},
               {"created"}});
  for (const Collection& collection : collections) {
    bool first = true;
    for (const VectorSpace& space : collection.vector_spaces()) {
      table.AddRow({first ? collection.name() : "", space.name(),
                    MetricName(space.metric()), DimensionText(space),
                    SourceText(space),
                    first ? TimestampText(collection.create_time()) : ""});
      first = false;
    }
  }
  context.Print(table);
  return kSucceeded;
}

absl::StatusOr<int> Get(const std::string& name, CommandContext& context) {
  storage::v1::GetCollectionRequest request;
  request.set_name(name);
  const auto response =
      context.CallStorage(&CollectionService::Stub::GetCollection, request);
  if (!response.ok()) return ExplainCollection(response.status());
  PrintCollection(response->collection(), context);
  return kSucceeded;
}

absl::StatusOr<int> Delete(const std::string& name, bool yes,
                           CommandContext& context) {
  if (!yes) {
    storage::v1::GetCollectionStatsRequest request;
    request.set_name(name);
    const auto stats = context.CallStorage(
        &CollectionService::Stub::GetCollectionStats, request);
    if (!stats.ok()) return ExplainCollection(stats.status());
    DIPTYCH_RETURN_IF_ERROR(context.Confirm(
        absl::StrCat("Delete collection ", Printable(name), " with ",
                     stats->stats().objects(), " objects?")));
  }
  storage::v1::DeleteCollectionRequest request;
  request.set_name(name);
  const auto response =
      context.CallStorage(&CollectionService::Stub::DeleteCollection, request);
  if (!response.ok()) return ExplainCollection(response.status());
  if (context.json) {
    context.Print(Json::object({{"deleted", name}}));
  } else {
    context.out() << "deleted collection " << Printable(name) << "\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> Stats(const std::string& name, CommandContext& context) {
  storage::v1::GetCollectionStatsRequest request;
  request.set_name(name);
  const auto response = context.CallStorage(
      &CollectionService::Stub::GetCollectionStats, request);
  if (!response.ok()) return ExplainCollection(response.status());
  const storage::v1::CollectionStats& stats = response->stats();
  if (context.json) {
    context.Print(StatsToJson(stats));
    return kSucceeded;
  }
  context.out() << "objects  " << stats.objects() << "\n"
                << "images   " << stats.images() << "\n"
                << "disk     " << BytesText(stats.disk_bytes()) << "\n";
  Table table({{"space"},
               {"vectors", Alignment::kRight},
               {"dimension", Alignment::kRight},
               {"index"},
               {"memory", Alignment::kRight}});
  for (const auto& space : stats.vector_spaces()) {
    table.AddRow({space.name(), absl::StrCat(space.vectors()),
                  absl::StrCat(space.dimension()),
                  IndexStateName(space.index_state()),
                  BytesText(space.index_bytes())});
  }
  context.Print(table);
  return kSucceeded;
}

}  // namespace

absl::StatusOr<Collection> CollectionOf(const CollectionOptions& options) {
  Collection collection;
  collection.set_name(options.name);
  const bool plain = options.metric.empty() && options.dimension == 0 &&
                     options.model.empty() && options.text_fields.empty() &&
                     options.image_fields.empty() && !options.no_vectorizer;
  if (!plain) {
    DIPTYCH_ASSIGN_OR_RETURN(*collection.add_vector_spaces(), SpaceOf(options));
  }
  for (const std::string& entry : options.metadata) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--metadata is not KEY=VALUE: ", entry));
    }
    const std::string text = entry.substr(equals + 1);
    storage::v1::Value value;
    value.set_text_value(text);
    if (const auto json = ParseJson(text); json.ok()) {
      if (auto typed = ValueFromJson(*json); typed.ok()) {
        value = *std::move(typed);
      }
    }
    (*collection.mutable_metadata())[entry.substr(0, equals)] = value;
  }
  return collection;
}

absl::Status ExplainCollection(absl::Status status) {
  if (!absl::IsNotFound(status)) return status;
  return WithHint(std::move(status),
                  "`diptych collection list` shows what there is");
}

void AddCollectionCommands(CLI::App& app, CommandContext& context) {
  CLI::App* group =
      app.add_subcommand("collection", "Create, list, show, delete");
  group->require_subcommand(1);

  auto options = std::make_shared<CollectionOptions>();
  auto get_or_create = std::make_shared<bool>(false);
  auto yes = std::make_shared<bool>(false);
  auto name = std::make_shared<std::string>();

  CLI::App* create = group->add_subcommand("create", "Create a collection");
  create->add_option("name", options->name, "Name")->required();
  create->add_option("--metric", options->metric, "cosine (default), l2 or ip")
      ->check(CLI::IsMember({"cosine", "l2", "ip"}));
  create
      ->add_option("--dimension", options->dimension,
                   "Length of the vectors (default: that of the first)")
      ->check(CLI::Range(1, 65536));
  create->add_option("--model", options->model,
                     "Model of the inference service (default: its default)");
  create
      ->add_option("--text-field", options->text_fields,
                   "Text property that feeds the vector, PROPERTY[=WEIGHT]")
      ->expected(1)
      ->take_all();
  create
      ->add_option("--image-field", options->image_fields,
                   "Image property that feeds the vector, PROPERTY[=WEIGHT]")
      ->expected(1)
      ->take_all();
  create->add_flag("--no-vectorizer", options->no_vectorizer,
                   "Objects bring their own vectors");
  create->add_flag("--get-or-create", *get_or_create,
                   "Use a collection of that name as it is");
  create->add_option("--metadata", options->metadata, "KEY=VALUE")
      ->expected(1)
      ->take_all();
  create->callback([options, get_or_create, &context] {
    context.run = [=, &context] {
      return Create(*options, *get_or_create, context);
    };
  });

  group->add_subcommand("list", "List collections")->callback([&context] {
    context.run = [&context] { return List(context); };
  });

  CLI::App* get = group->add_subcommand("get", "Show one collection");
  get->add_option("name", *name, "Name")->required();
  get->callback([name, &context] {
    context.run = [name, &context] { return Get(*name, context); };
  });

  CLI::App* remove =
      group->add_subcommand("delete", "Delete a collection with all objects");
  remove->add_option("name", *name, "Name")->required();
  remove->add_flag("-y,--yes", *yes, "Do not ask");
  remove->callback([name, yes, &context] {
    context.run = [name, yes, &context] {
      return Delete(*name, *yes, context);
    };
  });

  CLI::App* stats = app.add_subcommand("stats", "Counts and sizes");
  stats->add_option("name", *name, "Name of the collection")->required();
  stats->callback([name, &context] {
    context.run = [name, &context] { return Stats(*name, context); };
  });
}

}  // namespace diptych::cli
