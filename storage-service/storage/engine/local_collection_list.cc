// Listing a LocalCollection page by page.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/engine/order_token.h"
#include "storage/engine/page_token.h"
#include "storage/filter/filter_expression.h"
#include "storage/filter/filter_validation.h"

namespace diptych::storage {
namespace {

// Collects views until a page is full.
class PageOfViews {
 public:
  PageOfViews(size_t objects_max, size_t bytes_max)
      : objects_max_(objects_max), bytes_max_(bytes_max) {}

  bool has_room() const { return objects_.size() < objects_max_; }
  // False: the page has no room for it.
  bool Add(ObjectView view) {
    bytes_ += ViewBytes(view);
    if (!objects_.empty() && bytes_ > bytes_max_) return false;
    objects_.push_back(std::move(view));
    return true;
  }
  size_t size() const { return objects_.size(); }
  std::vector<ObjectView>& objects() { return objects_; }

 private:
  const size_t objects_max_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::vector<ObjectView> objects_;
};

}  // namespace

struct LocalCollection::ListPlan {
  CollectionSpec spec;
  size_t page_size = 0;
  uint64_t request_hash = 0;
  // Where the page before ended; nothing: this is the first.
  std::string after_id;
  std::optional<OrderPosition> after;
};

absl::StatusOr<LocalCollection::ListPlan> LocalCollection::PlanList(
    const ListObjectsRequest& request) {
  const Limits& limits = environment_.limits;
  std::string canonical = absl::StrCat("objects\n", id_, "\n");
  if (request.order_by.has_value()) {
    FieldViolations violations;
    ValidatePropertyName(request.order_by->property, "order_by.property",
                         violations);
    DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
    absl::StrAppend(&canonical, request.order_by->descending ? "down" : "up",
                    "\n", request.order_by->property.size(), "\n",
                    request.order_by->property, "\n");
  }
  if (request.filter.has_value()) {
    DIPTYCH_RETURN_IF_ERROR(ValidateFilter(*request.filter, limits));
    absl::StrAppend(&canonical, FormatFilter(*request.filter));
  }
  ListPlan plan;
  plan.spec = description().spec;
  plan.page_size = std::min<size_t>(
      request.page_size == 0 ? limits.page_size_default : request.page_size,
      limits.page_size_max);
  plan.request_hash = PageRequestHash(canonical);
  if (request.page_token.empty()) return plan;
  DIPTYCH_ASSIGN_OR_RETURN(
      plan.after_id, DecodePageToken(plan.request_hash, request.page_token));
  if (request.order_by.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(plan.after, DecodeOrderPosition(plan.after_id));
  }
  return plan;
}

absl::StatusOr<ListObjectsResult> LocalCollection::List(
    const ListObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(const ListPlan plan, PlanList(request));
  if (!request.filter.has_value() && !request.order_by.has_value()) {
    return ListAll(plan, request);
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto result, ListOnce(plan, request));
  if (result.has_value()) return *std::move(result);
  // Between two commits the index and the store are of one state.
  absl::ReaderMutexLock lock(&published_);
  DIPTYCH_ASSIGN_OR_RETURN(result, ListOnce(plan, request));
  if (result.has_value()) return *std::move(result);
  return absl::InternalError(
      "the index knows an object that the store lacks; restart the server to "
      "build it anew");
}

absl::StatusOr<std::optional<ListObjectsResult>> LocalCollection::ListOnce(
    const ListPlan& plan, const ListObjectsRequest& request) {
  const Filter* filter =
      request.filter.has_value() ? &*request.filter : nullptr;
  // One more, to know whether there is a next page.
  const size_t wanted = plan.page_size + 1;
  absl::StatusOr<std::vector<OrderedSlot>> found;
  {
    absl::ReaderMutexLock lock(&applying_);
    found = request.order_by.has_value()
                ? index_.List(filter, request.order_by->property,
                              request.order_by->descending, plan.after, wanted)
                : index_.List(filter, plan.after_id, wanted);
  }
  DIPTYCH_RETURN_IF_ERROR(found.status());
  // A slot holds one version of an object only, so what is still there is what
  // the index meant.
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  PageOfViews page(plan.page_size, environment_.limits.page_bytes_max);
  while (page.size() < found->size() && page.has_room()) {
    const Slot slot = (*found)[page.size()].slot;
    DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, slot));
    if (!record.has_value()) return std::optional<ListObjectsResult>();
    DIPTYCH_ASSIGN_OR_RETURN(
        ObjectView view,
        View(*read, slot, *std::move(record), request.projection, plan.spec));
    if (!page.Add(std::move(view))) break;
  }
  ListObjectsResult result;
  if (page.size() < found->size()) {
    const OrderPosition& last = (*found)[page.size() - 1].position;
    result.next_page_token = EncodePageToken(
        plan.request_hash,
        request.order_by.has_value() ? EncodeOrderPosition(last) : last.id);
  }
  result.objects = std::move(page.objects());
  return std::optional<ListObjectsResult>(std::move(result));
}

absl::StatusOr<ListObjectsResult> LocalCollection::ListAll(
    const ListPlan& plan, const ListObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read->NewCursor(Table::kIds));
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(plan.after_id));
  if (found && !plan.after_id.empty() && cursor->key() == plan.after_id) {
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  PageOfViews page(plan.page_size, environment_.limits.page_bytes_max);
  while (found && page.has_room()) {
    DIPTYCH_ASSIGN_OR_RETURN(Slot slot,
                             DecodeSlot(cursor->key(), cursor->value()));
    DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, slot));
    if (!record.has_value()) {
      return absl::DataLossError(absl::StrCat(
          "the record of an object is missing; write or delete it: ",
          std::string(cursor->key())));
    }
    DIPTYCH_ASSIGN_OR_RETURN(
        ObjectView view,
        View(*read, slot, *std::move(record), request.projection, plan.spec));
    if (!page.Add(std::move(view))) break;
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  ListObjectsResult result;
  result.objects = std::move(page.objects());
  // The cursor stands at what found no room.
  if (found) {
    result.next_page_token =
        EncodePageToken(plan.request_hash, result.objects.back().object.id);
  }
  return result;
}

}  // namespace diptych::storage
