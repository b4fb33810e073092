#include "storage/service/collection_conversion.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {
namespace {

Metric MetricFromProto(v1::Metric metric, absl::string_view path,
                       FieldViolations& violations) {
  switch (metric) {
    case v1::METRIC_UNSPECIFIED:
    case v1::METRIC_COSINE:
      return Metric::kCosine;
    case v1::METRIC_SQUARED_L2:
      return Metric::kSquaredL2;
    case v1::METRIC_INNER_PRODUCT:
      return Metric::kInnerProduct;
    default:
      violations.Add(path, absl::StrCat("is ", static_cast<int>(metric),
                                        "; give one of the METRIC_ values"));
      return Metric::kCosine;
  }
}

v1::Metric MetricToProto(Metric metric) {
  switch (metric) {
    case Metric::kSquaredL2:
      return v1::METRIC_SQUARED_L2;
    case Metric::kInnerProduct:
      return v1::METRIC_INNER_PRODUCT;
    case Metric::kCosine:
      break;
  }
  return v1::METRIC_COSINE;
}

VectorPrecision PrecisionFromProto(v1::VectorPrecision precision,
                                   absl::string_view path,
                                   FieldViolations& violations) {
  switch (precision) {
    case v1::VECTOR_PRECISION_UNSPECIFIED:
    case v1::VECTOR_PRECISION_FLOAT32:
      return VectorPrecision::kFloat32;
    case v1::VECTOR_PRECISION_BFLOAT16:
      return VectorPrecision::kBfloat16;
    case v1::VECTOR_PRECISION_INT8:
      return VectorPrecision::kInt8;
    default:
      violations.Add(
          path, absl::StrCat("is ", static_cast<int>(precision),
                             "; give one of the VECTOR_PRECISION_ values"));
      return VectorPrecision::kFloat32;
  }
}

v1::VectorPrecision PrecisionToProto(VectorPrecision precision) {
  switch (precision) {
    case VectorPrecision::kBfloat16:
      return v1::VECTOR_PRECISION_BFLOAT16;
    case VectorPrecision::kInt8:
      return v1::VECTOR_PRECISION_INT8;
    case VectorPrecision::kFloat32:
      break;
  }
  return v1::VECTOR_PRECISION_FLOAT32;
}

uint32_t CountFromProto(int32_t value, absl::string_view path,
                        FieldViolations& violations) {
  if (value < 0) {
    violations.Add(path, absl::StrCat("is ", value, "; give 0 or more"));
    return 0;
  }
  return static_cast<uint32_t>(value);
}

// 0 stands for the default.
void SetUnlessZero(int32_t value, absl::string_view path,
                   FieldViolations& violations, uint32_t& setting) {
  if (const uint32_t count = CountFromProto(value, path, violations);
      count != 0)
    setting = count;
}

std::vector<WeightedField> FieldsFromProto(
    const google::protobuf::RepeatedPtrField<v1::WeightedField>& fields) {
  std::vector<WeightedField> result;
  for (const v1::WeightedField& field : fields) {
    result.push_back(
        {field.property(), field.weight() == 0 ? 1.0 : field.weight()});
  }
  return result;
}

VectorSpace SpaceFromProto(const v1::VectorSpace& space, absl::string_view path,
                           FieldViolations& violations) {
  VectorSpace result;
  result.name = space.name().empty() ? kDefaultVectorSpace : space.name();
  result.metric = MetricFromProto(space.metric(), absl::StrCat(path, ".metric"),
                                  violations);
  result.dimension = CountFromProto(
      space.dimension(), absl::StrCat(path, ".dimension"), violations);
  const std::string hnsw = absl::StrCat(path, ".hnsw");
  SetUnlessZero(space.hnsw().max_neighbors(), hnsw + ".max_neighbors",
                violations, result.hnsw.max_neighbors);
  SetUnlessZero(space.hnsw().ef_construction(), hnsw + ".ef_construction",
                violations, result.hnsw.ef_construction);
  SetUnlessZero(space.hnsw().ef_search(), hnsw + ".ef_search", violations,
                result.hnsw.ef_search);
  result.precision = PrecisionFromProto(
      space.precision(), absl::StrCat(path, ".precision"), violations);
  if (space.has_vectorizer()) {
    result.has_vectorizer = true;
    result.vectorizer.model = space.vectorizer().model();
    result.vectorizer.text_fields =
        FieldsFromProto(space.vectorizer().text_fields());
    result.vectorizer.image_fields =
        FieldsFromProto(space.vectorizer().image_fields());
  }
  return result;
}

void FieldsToProto(const std::vector<WeightedField>& fields,
                   google::protobuf::RepeatedPtrField<v1::WeightedField>& out) {
  for (const WeightedField& field : fields) {
    v1::WeightedField* added = out.Add();
    added->set_property(field.property);
    added->set_weight(field.weight);
  }
}

v1::VectorSpace SpaceToProto(const VectorSpace& space) {
  v1::VectorSpace out;
  out.set_name(space.name);
  out.set_metric(MetricToProto(space.metric));
  out.set_dimension(static_cast<int32_t>(space.dimension));
  out.mutable_hnsw()->set_max_neighbors(
      static_cast<int32_t>(space.hnsw.max_neighbors));
  out.mutable_hnsw()->set_ef_construction(
      static_cast<int32_t>(space.hnsw.ef_construction));
  out.mutable_hnsw()->set_ef_search(static_cast<int32_t>(space.hnsw.ef_search));
  out.set_precision(PrecisionToProto(space.precision));
  if (space.has_vectorizer) {
    out.mutable_vectorizer()->set_model(space.vectorizer.model);
    FieldsToProto(space.vectorizer.text_fields,
                  *out.mutable_vectorizer()->mutable_text_fields());
    FieldsToProto(space.vectorizer.image_fields,
                  *out.mutable_vectorizer()->mutable_image_fields());
  }
  out.set_model_fingerprint(space.model_fingerprint);
  return out;
}

}  // namespace

UriImages UriImagesFromProto(v1::UriImages uri_images, absl::string_view path,
                             FieldViolations& violations) {
  switch (uri_images) {
    case v1::URI_IMAGES_UNSPECIFIED:
    case v1::URI_IMAGES_REFERENCE_ONLY:
      return UriImages::kReferenceOnly;
    case v1::URI_IMAGES_KEEP_BYTES:
      return UriImages::kKeepBytes;
    default:
      violations.Add(path, absl::StrCat("is ", static_cast<int>(uri_images),
                                        "; give one of the URI_IMAGES_ "
                                        "values"));
      return UriImages::kReferenceOnly;
  }
}

CollectionSpec CollectionSpecFromProto(const v1::Collection& collection,
                                       absl::string_view path,
                                       FieldViolations& violations) {
  CollectionSpec spec;
  if (collection.vector_spaces().empty()) {
    spec = DefaultCollectionSpec(collection.name());
  } else {
    spec.name = collection.name();
    for (int i = 0; i < collection.vector_spaces_size(); ++i) {
      spec.vector_spaces.push_back(SpaceFromProto(
          collection.vector_spaces(i),
          absl::StrCat(path, ".vector_spaces[", i, "]"), violations));
    }
  }
  const std::string metadata_path = absl::StrCat(path, ".metadata");
  spec.metadata =
      PropertiesFromProto(collection.metadata(), metadata_path, violations);
  for (const auto& [name, value] : spec.metadata) {
    if (std::holds_alternative<ImageReference>(value)) {
      violations.Add(absl::StrCat(metadata_path, "[\"", name, "\"]"),
                     "is a picture; pictures belong to objects");
    }
  }
  spec.uri_images = UriImagesFromProto(
      collection.uri_images(), absl::StrCat(path, ".uri_images"), violations);
  return spec;
}

v1::Collection CollectionToProto(const Collection& collection) {
  v1::Collection out;
  out.set_name(collection.spec.name);
  for (const VectorSpace& space : collection.spec.vector_spaces)
    *out.add_vector_spaces() = SpaceToProto(space);
  for (const auto& [name, value] : collection.spec.metadata)
    (*out.mutable_metadata())[name] = ValueToProto(value);
  *out.mutable_create_time() = TimestampToProto(collection.create_time);
  *out.mutable_update_time() = TimestampToProto(collection.update_time);
  out.set_uid(collection.uid);
  out.set_uri_images(collection.spec.uri_images == UriImages::kKeepBytes
                         ? v1::URI_IMAGES_KEEP_BYTES
                         : v1::URI_IMAGES_REFERENCE_ONLY);
  return out;
}

}  // namespace diptych::storage
