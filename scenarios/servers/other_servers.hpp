#pragma once
#include <optional>
#include <string>

#include "scenarios/commands/shell_script.hpp"
#include "scenarios/servers/model_server.hpp"

namespace windtunnel {

/// Reads a container that runs SGLang (`sglang.launch_server`) or Text Generation Inference
/// (`text-generation-launcher`, or its image). Both batch continuously over a paged KV cache, as vLLM does, and
/// are simulated so: a warning says it. Flags that would change the result and are not simulated are errors.
/// Empty: the container is neither. `pods`: with such GPUs that serve together.
[[nodiscard]] std::optional<ModelServer> read_other_server(const Container& container, Findings& findings, const ShellContext& context, std::int64_t pods = 1);

/// Whether a server's engine batches continuously, as vLLM does, and is simulated as that.
[[nodiscard]] bool is_simulated_as_vllm(const std::string& engine);

/// What a container runs whose engine is not simulated, by its image or command: "NVIDIA NIM", "Triton", "Ollama", ...; "" = unknown.
[[nodiscard]] std::string name_of_unsimulated_server(const Container& container);

/// An image's name without registry host, tag and digest (`vllm/vllm-openai`), and its tag ("" = none).
struct ImageName {
    std::string repository;
    std::string tag;
};
[[nodiscard]] ImageName split_image(const std::string& image);

/// The vLLM release that an image has ("0.8.5"), where its tag says so; "" where the tag counts something else
/// (NVIDIA's 25.09, LMCache's, Red Hat's and KServe's own versions) or nothing.
[[nodiscard]] std::string vllm_version_of_image(const std::string& image);

}  // namespace windtunnel
