// fake-inference-server: inference-server with a model that needs no weights
// and no LibTorch, for tests of everything around it. A source's directory is
// not read.
#include "inference/model/fake_model.h"
#include "inference/server/inference_server.h"

int main(int argc, char** argv) {
  using diptych::inference::InferenceServerOptions;
  using diptych::inference::ModelSource;
  return diptych::inference::RunInferenceServer(
      argc, argv,
      [](const ModelSource& source, const InferenceServerOptions& server)
          -> absl::StatusOr<diptych::inference::Model> {
        diptych::inference::FakeModelOptions options;
        options.name = source.name;
        // As if it were of a family that Weaviate's container does not
        // normalise.
        options.normalized =
            server.normalization() == diptych::inference::Normalization::kAll;
        return diptych::inference::MakeFakeModel(options);
      });
}
