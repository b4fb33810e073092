#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/status_macros.h"
#include "inference/model/family_configs.h"

namespace diptych::inference {
namespace {

using Parser = absl::StatusOr<TowersConfig> (*)(const ConfigReader&,
                                                absl::string_view);

struct Family {
  const char* model_type;
  Parser parse;
};

constexpr Family kFamilies[] = {
    {"bert", ParseBertConfig},
    {"chinese_clip", ParseClipConfig},
    {"clip", ParseClipConfig},
    {"clip_text_model", ParseClipConfig},
    {"clip_vision_model", ParseClipConfig},
    {"distilbert", ParseBertConfig},
    {"metaclip_2", ParseClipConfig},
    {"metaclip_2_text_model", ParseClipConfig},
    {"metaclip_2_vision_model", ParseClipConfig},
    {"roberta", ParseBertConfig},
    {"siglip", ParseSiglipConfig},
    {"siglip_text_model", ParseSiglipConfig},
    {"siglip_vision_model", ParseSiglipConfig},
    {"xlm-roberta", ParseBertConfig},
};

}  // namespace

absl::StatusOr<TowersConfig> ParseModelConfig(absl::string_view json) {
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader config,
                           ConfigReader::Parse(json, "config.json"));
  const ConfigReader::Json* type = config.Find("model_type");
  const std::string given =
      type != nullptr && type->is_string() ? type->get<std::string>() : "";
  for (const Family& family : kFamilies) {
    if (given == family.model_type) return family.parse(config, given);
  }
  return config.Bad(
      "model_type",
      absl::StrCat("of a known model family: ",
                   absl::StrJoin(kFamilies, ", ",
                                 [](std::string* out, const Family& family) {
                                   out->append(family.model_type);
                                 })));
}

}  // namespace diptych::inference
