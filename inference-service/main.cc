// inference-server: turns text and images into vectors with models on LibTorch.
#include "common/status/status_macros.h"
#include "inference/server/inference_server.h"
#include "inference/torch/model_loader.h"

namespace {

using diptych::inference::InferenceServerOptions;
using diptych::inference::Model;
using diptych::inference::ModelSource;

absl::StatusOr<Model> Load(const ModelSource& source,
                           const InferenceServerOptions& options) {
  diptych::inference::LoadModelOptions load;
  load.name = source.name;
  load.threads = options.threads;
  load.normalization = options.normalization();
  DIPTYCH_ASSIGN_OR_RETURN(load.device,
                           diptych::inference::ParseDevice(options.device));
  DIPTYCH_ASSIGN_OR_RETURN(
      load.precision, diptych::inference::ParsePrecision(options.precision));
  return diptych::inference::LoadModel(source.directory, load);
}

}  // namespace

int main(int argc, char** argv) {
  return diptych::inference::RunInferenceServer(argc, argv, Load);
}
