// Requests about objects, and queries.
#include <cmath>
#include <limits>
#include <set>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "storage/filter/filter_expression.h"
#include "tests/model_based/proto_of_values.h"
#include "tests/model_based/random_operations.h"

namespace diptych::storage {

std::string RandomOperations::Text() {
  const auto word = [this] {
    return random_.PickFrom<std::string>(
        {"red", "blue", "old", "new", "sofa", "chair", "lamp", "größe", "中文",
         "a", "", "the long words of a description that goes on for a while"});
  };
  return absl::StrCat(word(), " ", word(), " ", word());
}

std::string RandomOperations::Id() {
  return Chance(0.1) ? random_.Id() : absl::StrCat("id-", Below(60));
}

v1::Vector RandomOperations::Vector() {
  v1::Vector vector;
  for (int i = 0; i < 8; ++i) {
    vector.mutable_dense()->add_values(
        (static_cast<float>(Below(20'001)) - 10'000.0f) / 5'000.0f);
  }
  return vector;
}

v1::Projection RandomOperations::Projection() {
  v1::Projection projection;
  switch (Below(4)) {
    case 0:
      projection.set_no_properties(true);
      break;
    case 1:
      for (const char* name : {"a", "document", "photo", "nowhere"})
        projection.add_properties(name);
      break;
  }
  projection.set_vectors(Chance(0.4));
  projection.set_image_bytes(Chance(0.3));
  return projection;
}

v1::Object RandomOperations::Object() {
  v1::Object object;
  object.set_id(Id());
  auto& properties = *object.mutable_properties();
  for (const auto& [name, value] : random_.MakeProperties())
    properties[name] = ProtoOf(value);
  for (const char* name : {"document", "title"}) {
    if (Chance(0.6)) properties[name] = ProtoOf(PropertyValue(Text()));
    if (Chance(0.05)) properties[name].set_null_value({});
  }
  if (Chance(0.4)) {
    v1::TextList& tags = *properties["tags"].mutable_text_list();
    for (size_t i = Below(4); i > 0; --i) tags.add_values(Text());
  }
  for (const char* name : {"image", "photo"}) {
    if (!Chance(0.3)) continue;
    v1::Image& image = *properties[name].mutable_image_value();
    image.set_data(absl::StrCat("picture ", Below(25)));
    if (Chance(0.3)) image.set_uri("file:///picture");
  }
  if (Chance(0.8))
    properties["video"].set_integer_value(static_cast<int64_t>(Below(8)));
  return object;
}

template <typename Request>
Request RandomOperations::Write() {
  Request request;
  request.set_collection(CollectionName());
  // Where the collection has no such space the request is refused.
  const bool own_space = request.collection() != "alpha";
  std::set<std::string> ids;
  for (size_t count = 1 + Below(6); count > 0; --count) {
    v1::Object object = Object();
    if (!ids.insert(object.id()).second) continue;
    if (!std::is_same_v<Request, v1::UpdateObjectsRequest> && Chance(0.01))
      object.clear_id();
    if (own_space && Chance(0.6)) (*object.mutable_vectors())["own"] = Vector();
    if (Chance(request.collection() == "gamma" ? 0.7 : 0.15))
      (*object.mutable_vectors())["default"] = Vector();
    *request.add_objects() = object;
  }
  if (!Chance(0.04)) return request;
  v1::Object& object =
      *request.mutable_objects(static_cast<int>(Below(request.objects_size())));
  v1::Vector& vector = (*object.mutable_vectors())["default"];
  vector = Vector();
  switch (Below(7)) {
    case 0:
      vector.mutable_dense()->set_values(
          3, std::numeric_limits<float>::quiet_NaN());
      break;
    case 1:
      vector.mutable_dense()->set_values(
          3, std::numeric_limits<float>::infinity());
      break;
    case 2:
      for (float& value : *vector.mutable_dense()->mutable_values()) value = 0;
      break;
    case 3:
      vector.mutable_dense()->mutable_values()->Truncate(3);
      break;
    case 4:
      (*object.mutable_vectors())["nowhere"] = Vector();
      break;
    case 5:
      (*object.mutable_properties())["$x"].set_bool_value(true);
      break;
    default:
      *request.add_objects() = v1::Object(object);
  }
  return request;
}

template v1::InsertObjectsRequest RandomOperations::Write();
template v1::UpsertObjectsRequest RandomOperations::Write();
template v1::UpdateObjectsRequest RandomOperations::Write();

Import RandomOperations::ImportSome() {
  Import import;
  import.header.set_mode(static_cast<v1::ImportMode>(Below(3)));
  const int64_t first = 1 + static_cast<int64_t>(Below(3));
  for (size_t count = 1 + Below(3); count > 0; --count) {
    const auto write = Write<v1::UpsertObjectsRequest>();
    if (import.chunks.empty()) import.header.set_collection(write.collection());
    v1::ImportChunk& chunk = import.chunks.emplace_back();
    chunk.set_sequence_number(first +
                              static_cast<int64_t>(import.chunks.size()) - 1);
    *chunk.mutable_objects() = write.objects();
  }
  return import;
}

template <typename Request>
void RandomOperations::AddFilter(Request& request) {
  if (Chance(0.5)) return;
  const Filter filter = random_.MakeFilter();
  *request.mutable_filter() = ProtoOf(filter);
  request.set_filter_expression(FormatFilter(filter));
}

template void RandomOperations::AddFilter(v1::CountObjectsRequest&);

v1::DeleteObjectsRequest RandomOperations::Delete() {
  v1::DeleteObjectsRequest request;
  request.set_collection(CollectionName());
  if (Chance(0.4)) AddFilter(request);
  if (request.has_filter() && Chance(0.7))
    request.set_limit(1 + static_cast<int64_t>(Below(8)));
  if (request.has_filter() && Chance(0.7)) return request;
  for (size_t count = 1 + Below(6); count > 0; --count) request.add_ids(Id());
  return request;
}

v1::GetObjectsRequest RandomOperations::Get() {
  v1::GetObjectsRequest request;
  request.set_collection(CollectionName());
  std::set<std::string> ids;
  for (size_t count = 1 + Below(6); count > 0; --count) ids.insert(Id());
  request.mutable_ids()->Assign(ids.begin(), ids.end());
  for (int i = 0; i < request.ids_size(); ++i) {
    request.mutable_ids()->SwapElements(
        i, static_cast<int>(Below(request.ids_size())));
  }
  *request.mutable_projection() = Projection();
  return request;
}

ListAllObjects RandomOperations::List() {
  ListAllObjects list;
  list.first_page.set_collection(CollectionName());
  list.first_page.set_page_size(1 + static_cast<int>(Below(40)));
  AddFilter(list.first_page);
  *list.first_page.mutable_projection() = Projection();
  if (Chance(0.6)) {
    v1::OrderBy& order_by = *list.first_page.mutable_order_by();
    order_by.set_property(
        random_.PickFrom<std::string>({"a", "b.c", "größe", "id", "document",
                                       "video", "tags", "photo", "nowhere"}));
    order_by.set_descending(Chance(0.5));
  }
  list.restart_between = Chance(0.02);
  return list;
}

std::string RandomOperations::Space() {
  return Chance(0.01)  ? "nowhere"
         : Chance(0.4) ? "own"
         : Chance(0.5) ? "default"
                       : "";
}

v1::Move RandomOperations::Move(double force_max) {
  v1::Move move;
  if (Chance(0.6)) {
    for (size_t count = 1 + Below(2); count > 0; --count)
      move.add_concepts(Text());
  }
  if (move.concepts().empty() || Chance(0.3)) move.add_object_ids(Id());
  move.set_force(random_.PickFrom<double>({0, 0.25, 0.5, 1}) * force_max);
  return move;
}

v1::NearText RandomOperations::NearText() {
  v1::NearText query;
  for (size_t count = 1 + Below(3); count > 0; --count)
    query.add_concepts(Text());
  if (Chance(0.25)) *query.mutable_move_to() = Move(1);
  if (Chance(0.25)) *query.mutable_move_away() = Move(3);
  return query;
}

v1::NearObject RandomOperations::NearObject() {
  v1::NearObject query;
  query.set_id(Id());
  query.set_include_self(Chance(0.3));
  return query;
}

v1::Mix RandomOperations::Mix() {
  v1::Mix mix;
  for (size_t count = 1 + Below(3); count > 0; --count) {
    v1::WeightedTerm& term = *mix.add_terms();
    switch (Below(4)) {
      case 0:
        *term.mutable_near_text() = NearText();
        break;
      case 1:
        term.mutable_near_image()->set_image(
            absl::StrCat("picture ", Below(25)));
        break;
      case 2:
        *term.mutable_near_vector()->mutable_vector() = Vector();
        break;
      default:
        *term.mutable_near_object() = NearObject();
    }
    term.set_weight(random_.PickFrom<double>({-1, -0.5, 0.5, 1, 2}));
  }
  return mix;
}

v1::Recommend RandomOperations::Recommend() {
  v1::Recommend query;
  for (size_t count = 1 + Below(2); count > 0; --count)
    query.add_positive_ids(Id());
  for (size_t count = Below(3); count > 0; --count)
    query.add_negative_ids(Id());
  return query;
}

v1::Keyword RandomOperations::Keyword() {
  v1::Keyword query;
  // Words of the objects, in other letters too, some of them several times.
  std::string& text = *query.mutable_text();
  for (size_t count = 1 + Below(4); count > 0; --count) {
    absl::StrAppend(
        &text,
        Chance(0.7) ? Text()
                    : random_.PickFrom<std::string>(
                          {"RED", "GRÖSSE", "中", "文", "redder", "it's ÖL",
                           "x", "d", "sofa-sofa,sofa", "none of these words"}),
        " ");
  }
  if (Chance(0.02)) text.clear();
  std::set<std::string> names;
  for (size_t count = Chance(0.5) ? Below(5) : 0; count > 0; --count) {
    names.insert(random_.PickFrom<std::string>(
        {"document", "title", "tags", "a", "b.c", "größe", "nowhere"}));
  }
  query.mutable_properties()->Assign(names.begin(), names.end());
  for (const char* name : {"document", "a", "tags"}) {
    if (!names.empty() && !names.contains(name) && !Chance(0.01)) continue;
    if (Chance(0.3)) {
      (*query.mutable_boosts())[name] =
          Chance(0.02) ? -1 : random_.PickFrom<double>({0.25, 1, 2, 7.5});
    }
  }
  return query;
}

template <typename Part>
void RandomOperations::ChooseKind(Part& part) {
  part.set_vector_space(Space());
  switch (Below(9)) {
    case 0:
      *part.mutable_near_text() = NearText();
      break;
    case 1:
      part.mutable_near_image()->set_image(absl::StrCat("picture ", Below(25)));
      break;
    case 2:
      *part.mutable_near_object() = NearObject();
      break;
    case 3:
      *part.mutable_mix() = Mix();
      break;
    case 4:
      *part.mutable_recommend() = Recommend();
      break;
    case 5:
    case 6:
      *part.mutable_keyword() = Keyword();
      if (!Chance(0.02)) part.clear_vector_space();
      break;
    default:
      *part.mutable_near_vector()->mutable_vector() = Vector();
  }
}

v1::QueryRequest RandomOperations::Query() {
  v1::QueryRequest request;
  request.set_collection(CollectionName());
  request.set_exact(request.collection() != "alpha" || Chance(0.5));
  request.set_top_k(static_cast<int>(Below(25)));
  if (Chance(0.3)) request.set_offset(static_cast<int>(Below(12)));
  if (Chance(0.1)) request.set_ef_search(8 + static_cast<int>(Below(200)));
  AddFilter(request);
  *request.mutable_projection() = Projection();
  const size_t dice = Below(20);
  if (dice == 0) return request;
  if (dice < 4) {
    v1::Fusion& fusion = *request.mutable_fusion();
    fusion.set_method(static_cast<v1::FusionMethod>(Below(3)));
    for (size_t parts = 1 + Below(3); parts > 0; --parts) {
      v1::FusionPart& part = *fusion.add_parts();
      ChooseKind(part);
      part.set_weight(random_.PickFrom<double>({0, 1, 0.5, 3}));
    }
  } else {
    ChooseKind(request);
    // Words have no distance.
    if (request.has_keyword() && !Chance(0.02)) {
    } else if (Chance(0.2)) {
      request.set_max_distance(static_cast<double>(Below(1000)) / 250 - 0.5);
    } else if (Chance(0.1)) {
      request.set_min_certainty(static_cast<double>(Below(1000)) / 1000);
    }
  }
  if (Chance(0.25)) {
    v1::GroupBy& group_by = *request.mutable_group_by();
    group_by.set_property(
        random_.PickFrom<std::string>({"video", "video", "a", "document"}));
    group_by.set_group_size(static_cast<int>(Below(4)));
  } else if (!request.has_fusion() &&
             Chance(request.has_keyword() ? 0.02 : 0.2)) {
    v1::Diversity& diversity = *request.mutable_diversity();
    diversity.set_lambda(random_.PickFrom<double>({0, 0.3, 0.5, 0.7, 1}));
    if (Chance(0.5)) diversity.set_candidates(40 + static_cast<int>(Below(40)));
  }
  return request;
}

v1::BatchQueryRequest RandomOperations::BatchQuery() {
  v1::BatchQueryRequest request;
  request.set_collection(CollectionName());
  for (size_t count = 1 + Below(3); count > 0; --count) {
    v1::QueryRequest& query = *request.add_queries();
    query = Query();
    query.set_exact(true);
    query.set_collection(Chance(0.5) ? "" : request.collection());
  }
  return request;
}

}  // namespace diptych::storage
