#include "cli/engine_flags.hpp"

#include "cli/console.hpp"
#include "models/nearest_name.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>

namespace windtunnel {

void EngineFlags::add_to(CLI::App& command, bool positional) {
    KvRequest& r = request;
    constexpr const char* what = "Model and GPU";
    constexpr const char* engine = "Engine (vLLM's own flags; what is not given takes the release's default)";
    command
        .add_option(positional ? "--model,model" : "--model", r.model,
                    "Hugging Face id (organisation optional), or the path of a config.json")
        ->required()
        ->group(what);
    command.add_option("--gpu", r.gpu, "GPU, as h100-sxm-80gb, nvidia-l4, A10G or a100-sxm-80gb/1g.10gb")
        ->required()
        ->group(what);
    command.add_option("--tp,--tensor-parallel-size", r.tensor_parallel, "GPUs that share every layer")
        ->group(what);
    command
        .add_option("--pp,--pipeline-parallel-size", r.pipeline_parallel,
                    "groups of GPUs that share the layers among them")
        ->group(what);
    command
        .add_option(
            "--dtype", r.dtype,
            "the weights' type: auto (what the checkpoint is stored in), bf16, fp16, fp8, mxfp4, nvfp4, int4")
        ->group(what);
    command.add_option("--kv-cache-dtype", r.kv_cache_dtype, "auto (16 bits), bf16, fp16, fp8")->group(what);
    command
        .add_option("--vllm-version", r.vllm_version,
                    "release, as 0.11.0; default: the newest that is modelled")
        ->group(engine);
    command.add_option("--engine", r.engine, "v0 or v1, in place of the release's default")->group(engine);
    command.add_option("--gpu-memory-utilization", r.gpu_memory_utilization, "share of the GPU's memory")
        ->group(engine);
    command.add_option("--max-model-len", r.max_model_len, "tokens, prompt and output")->group(engine);
    command.add_option("--max-num-seqs", r.max_num_seqs, "requests in a batch")->group(engine);
    command.add_option("--max-num-batched-tokens", r.max_num_batched_tokens, "tokens in a step")
        ->group(engine);
    command.add_option("--block-size", r.block_size, "tokens in a KV block")->group(engine);
    command
        .add_option("--max-cudagraph-capture-size", r.max_cudagraph_capture_size,
                    "largest batch with a CUDA graph")
        ->group(engine);
    command.add_flag("--enforce-eager", r.enforce_eager, "no CUDA graphs")->group(engine);
    command.add_option("--swap-space", r.swap_space_gib, "GiB of host memory for swapped blocks (V0)")
        ->group(engine);
    command.add_option("--max-loras", r.lora.slots, "LoRA adapters that a batch may use, as of --enable-lora; default: none")
        ->group(engine);
    command.add_option("--max-lora-rank", r.lora.rank, "the largest rank of these")->group(engine);
    constexpr const char* instead = "In place of the model of memory";
    command.add_option("--gpu-memory-bytes", r.gpu_memory_bytes, "memory of one GPU")->group(instead);
    command.add_option("--kv-cache-gib", r.kv_cache_gib, "the KV cache's size on one GPU, in GiB")
        ->group(instead);
    command.add_option("--kv-shape", kv_shape, "LAYERS,KV_HEADS,HEAD_DIM in place of the model's")
        ->group(instead);
}

Result<KvRequest> EngineFlags::read() const {
    KvRequest out = request;
    if (kv_shape.empty()) return out;
    Result<KvShape> shape = read_kv_shape(kv_shape);
    if (!shape) return as_flags(shape.take_problems());
    out.kv_shape = *shape;
    return out;
}

Result<KvCapacity> EngineFlags::capacity(const KvRequest& read) const {
    Result<KvCapacity> out = kv_capacity(read);
    if (!out) return out;
    const std::string id = out->shape.id, &typed = read.model;
    std::error_code ignored;
    const std::string without_organisation = folded_name(id.substr(id.find('/') + 1));
    if (typed.ends_with(".json") || std::filesystem::exists(typed, ignored) || folded_name(typed) == folded_name(id) ||
        folded_name(typed) == without_organisation)
        return out;
    const bool said = std::any_of(out->notes.begin(), out->notes.end(), [&](const std::string& n) { return n.find("'" + id + "'") != std::string::npos; });
    if (!said) out->notes.push_back(fmt::format("'{}' has the shape of the catalogue's '{}'", typed, id));
    if (const std::size_t at = out->refusal.find(id); at != std::string::npos) out->refusal.replace(at, id.size(), typed);
    out->shape.id = typed;
    return out;
}

Problems as_flags(Problems problems) {
    for (Problem& p : problems)
        if (p.where.file.empty() && !p.path.empty() && p.path.front() != '-') p.path = "--" + p.path;
    return problems;
}

int refuse_flags(Problems problems) { return refuse(as_flags(std::move(problems))); }

CLI::Option* add_output_flag(CLI::App& command, std::string& output) {
    return command.add_option("-o,--output", output, "what goes to standard output: table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
}

}  // namespace windtunnel
