#include "cli/commands/object_commands.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands/collection_commands.h"
#include "cli/commands/saved_image.h"
#include "cli/output/error_report.h"
#include "cli/output/json_output.h"
#include "cli/terminal/display_width.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using storage::v1::Object;
using storage::v1::ObjectService;

constexpr int kPropertyColumnWidth = 40;
constexpr int kPageSizeMax = 1000;

struct ObjectOptions {
  std::string collection;
  std::vector<std::string> ids;
  std::string filter;
  std::string save_images;
  std::vector<std::string> properties;
  bool vectors = false;
  bool yes = false;
  std::string order_by;
  bool descending = false;
  int64_t limit = 100;
};

absl::Status SaveImages(const Object& object, const std::string& directory,
                        std::vector<std::string>& saved) {
  for (const auto& [name, value] : object.properties()) {
    const std::string& bytes = value.image_value().data();
    if (bytes.empty()) continue;
    const std::filesystem::path path = std::filesystem::path(directory) /
                                       SavedImagePath(object.id(), name, bytes);
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    errno = 0;
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream << bytes;
    stream.close();
    if (!stream.good()) {
      return absl::UnavailableError(absl::StrCat("cannot write ", path.native(),
                                                 ": ", std::strerror(errno)));
    }
    saved.push_back(path.native());
  }
  return absl::OkStatus();
}

// Pictures come one object at a time, so that an answer stays small whatever
// their sizes.
absl::Status SaveAllImages(const ObjectOptions& options,
                           const std::vector<Object>& objects,
                           CommandContext& context,
                           std::vector<std::string>& saved) {
  for (const Object& object : objects) {
    storage::v1::GetObjectsRequest request;
    request.set_collection(options.collection);
    request.add_ids(object.id());
    request.mutable_projection()->set_image_bytes(true);
    DIPTYCH_ASSIGN_OR_RETURN(
        const auto response,
        context.CallStorage(&ObjectService::Stub::GetObjects, request));
    for (const Object& full : response.objects()) {
      DIPTYCH_RETURN_IF_ERROR(SaveImages(full, options.save_images, saved));
    }
  }
  return absl::OkStatus();
}

Json ObjectsToJson(const std::vector<Object>& objects) {
  Json list = Json::array();
  for (const Object& object : objects) list.push_back(ObjectToJson(object));
  return list;
}

void PrintObject(const Object& object, CommandContext& context) {
  context.out() << context.OutStyle().Bold(Printable(object.id())) << "\n";
  std::vector<std::pair<std::string, std::string>> lines;
  size_t width = 0;
  for (const auto& [name, value] : object.properties()) {
    lines.emplace_back(Printable(name), ValueText(value));
    width = std::max(width, lines.back().first.size());
  }
  std::sort(lines.begin(), lines.end());
  for (auto& [name, text] : lines) {
    name.resize(width, ' ');
    context.out() << "  " << name << "  " << Printable(text) << "\n";
  }
  for (const auto& [name, vector] : object.vectors()) {
    context.out() << "  vector " << Printable(name) << ": "
                  << vector.dense().values_size() << " numbers\n";
  }
}

absl::StatusOr<int> Get(const ObjectOptions& options, CommandContext& context) {
  storage::v1::GetObjectsRequest request;
  request.set_collection(options.collection);
  *request.mutable_ids() = {options.ids.begin(), options.ids.end()};
  *request.mutable_projection()->mutable_properties() = {
      options.properties.begin(), options.properties.end()};
  request.mutable_projection()->set_vectors(options.vectors);
  const auto response =
      context.CallStorage(&ObjectService::Stub::GetObjects, request);
  if (!response.ok()) return ExplainCollection(response.status());
  const std::vector<Object> objects(response->objects().begin(),
                                    response->objects().end());
  std::vector<std::string> saved;
  if (!options.save_images.empty()) {
    DIPTYCH_RETURN_IF_ERROR(SaveAllImages(options, objects, context, saved));
  }
  if (context.json) {
    Json document{{"objects", ObjectsToJson(objects)},
                  {"missing_ids", Json::array()}};
    for (const auto& id : response->missing_ids()) {
      document["missing_ids"].push_back(id);
    }
    if (!options.save_images.empty()) document["saved_images"] = saved;
    context.Print(document);
  } else {
    for (const Object& object : objects) PrintObject(object, context);
    for (const std::string& path : saved) {
      context.out() << "saved " << Printable(path) << "\n";
    }
    for (const std::string& id : response->missing_ids()) {
      context.err() << "no object has the id " << Printable(id) << "\n";
    }
  }
  return response->missing_ids().empty() ? kSucceeded : kFailed;
}

absl::StatusOr<int64_t> CountMatches(const ObjectOptions& options,
                                     CommandContext& context) {
  storage::v1::CountObjectsRequest request;
  request.set_collection(options.collection);
  request.set_filter_expression(options.filter);
  const auto response =
      context.CallStorage(&ObjectService::Stub::CountObjects, request);
  if (!response.ok()) return ExplainCollection(response.status());
  return response->count();
}

absl::StatusOr<int> Delete(const ObjectOptions& options,
                           CommandContext& context) {
  if (options.ids.empty() && options.filter.empty()) {
    return absl::InvalidArgumentError(
        "nothing says what to delete: give ids or --filter (`diptych "
        "collection delete` deletes everything)");
  }
  if (!options.yes && !options.filter.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(const int64_t count,
                             CountMatches(options, context));
    DIPTYCH_RETURN_IF_ERROR(context.Confirm(absl::StrCat(
        "Delete ", options.ids.empty() ? "" : "those ids among ", count,
        " objects that match ", Printable(options.filter), "?")));
  }
  storage::v1::DeleteObjectsRequest request;
  request.set_collection(options.collection);
  *request.mutable_ids() = {options.ids.begin(), options.ids.end()};
  request.set_filter_expression(options.filter);
  const auto response =
      context.CallStorage(&ObjectService::Stub::DeleteObjects, request);
  if (!response.ok()) return ExplainCollection(response.status());
  if (context.json) {
    context.Print(Json::object({{"deleted_count", response->deleted_count()}}));
  } else {
    context.out() << "deleted " << response->deleted_count() << " objects\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> List(const ObjectOptions& options,
                         CommandContext& context) {
  storage::v1::ListObjectsRequest request;
  request.set_collection(options.collection);
  request.set_filter_expression(options.filter);
  if (!options.order_by.empty()) {
    request.mutable_order_by()->set_property(options.order_by);
    request.mutable_order_by()->set_descending(options.descending);
  }
  *request.mutable_projection()->mutable_properties() = {
      options.properties.begin(), options.properties.end()};
  std::vector<Object> objects;
  do {
    const int64_t left = options.limit - static_cast<int64_t>(objects.size());
    request.set_page_size(
        static_cast<int32_t>(std::min<int64_t>(left, kPageSizeMax)));
    const auto response =
        context.CallStorage(&ObjectService::Stub::ListObjects, request);
    if (!response.ok()) return ExplainCollection(response.status());
    objects.insert(objects.end(), response->objects().begin(),
                   response->objects().end());
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty() &&
           static_cast<int64_t>(objects.size()) < options.limit);
  const bool more = !request.page_token().empty();
  if (context.json) {
    context.Print(Json{{"objects", ObjectsToJson(objects)}, {"more", more}});
    return kSucceeded;
  }
  std::vector<const Object*> shown;
  for (const Object& object : objects) shown.push_back(&object);
  const auto properties = PropertyColumns(shown, options.properties);
  std::vector<Column> columns = {{"id"}};
  for (Column& column : PropertyTableColumns(properties)) {
    columns.push_back(std::move(column));
  }
  Table table(std::move(columns));
  for (const Object* object : shown) {
    std::vector<std::string> cells = {object->id()};
    for (std::string& cell : PropertyCells(*object, properties)) {
      cells.push_back(std::move(cell));
    }
    table.AddRow(std::move(cells));
  }
  context.Print(table);
  if (more) {
    context.err() << "there are more; see --limit (" << options.limit
                  << ") and --filter\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> Count(const ObjectOptions& options,
                          CommandContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(const int64_t count, CountMatches(options, context));
  if (context.json) {
    context.Print(Json::object({{"count", count}}));
  } else {
    context.out() << count << "\n";
  }
  return kSucceeded;
}

}  // namespace

std::vector<std::string> PropertyColumns(
    const std::vector<const Object*>& objects,
    const std::vector<std::string>& wished) {
  if (!wished.empty()) return wished;
  std::set<std::string> telling;
  for (const Object* object : objects) {
    for (const auto& [name, value] : object->properties()) {
      if (value.has_image_value() || value.text_value() == object->id()) {
        continue;
      }
      telling.insert(name);
    }
  }
  std::vector<std::string> columns(telling.begin(), telling.end());
  if (columns.size() > kPropertyColumnsMax) {
    columns.resize(kPropertyColumnsMax);
  }
  return columns;
}

std::vector<std::string> PropertyCells(
    const Object& object, const std::vector<std::string>& columns) {
  std::vector<std::string> cells;
  for (const std::string& name : columns) {
    const auto found = object.properties().find(name);
    cells.push_back(
        found == object.properties().end() ? "" : ValueText(found->second));
  }
  return cells;
}

std::vector<Column> PropertyTableColumns(
    const std::vector<std::string>& columns) {
  std::vector<Column> result;
  for (const std::string& name : columns) {
    result.push_back({name, Alignment::kLeft, kPropertyColumnWidth});
  }
  return result;
}

void AddObjectCommands(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<ObjectOptions>();
  const auto command = [&](const char* name, const char* description,
                           auto function) {
    CLI::App* added = app.add_subcommand(name, description);
    added->add_option("-c,--collection", options->collection, "Collection")
        ->required();
    added->callback([=, &context] {
      context.run = [=, &context] { return function(*options, context); };
    });
    return added;
  };
  const auto add_properties = [&](CLI::App* added) {
    added
        ->add_option("--properties", options->properties,
                     "Only these, separated by commas")
        ->delimiter(',')
        ->allow_extra_args(false);
  };

  CLI::App* get = command("get", "Show objects", &Get);
  get->add_option("ids", options->ids, "Ids")->required();
  get->add_option("--save-images", options->save_images,
                  "Write the pictures below this directory");
  get->add_flag("--vectors", options->vectors, "With their vectors");
  add_properties(get);

  CLI::App* remove = command("delete", "Delete objects", &Delete);
  remove->add_option("ids", options->ids, "Ids");
  remove->add_option("--filter", options->filter, "Those that match");
  remove->add_flag("-y,--yes", options->yes, "Do not ask");

  CLI::App* list = command("list", "List objects", &List);
  list->add_option("--filter", options->filter, "Only those that match");
  list->add_option("--order-by", options->order_by, "A property");
  list->add_flag("--descending", options->descending, "Largest first");
  list->add_option("--limit", options->limit, "At most so many")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  add_properties(list);

  CLI::App* count = command("count", "Count objects", &Count);
  count->add_option("--filter", options->filter, "Only those that match");
}

}  // namespace diptych::cli
