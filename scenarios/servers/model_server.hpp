#pragma once
#include "models/kv_capacity.hpp"
#include "models/problem.hpp"
#include "models/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/documents/decoder.hpp"

namespace windtunnel {

struct Container;

/// Pod annotation: the server's /health answers as soon as its process runs, loaded or not ("true").
inline constexpr const char* early_health_annotation = "windtunnel.dev/early-health";

/// Speculative decoding as --speculative-config says it.
struct Speculation {
    std::string method;       ///< "eagle3", "mtp", "ngram", "draft_model", ...
    std::string model;        ///< what drafts, where it is a model
    std::int32_t tokens = 1;  ///< proposed for each sequence in each step
    bool padded_batches = true;  ///< the drafter's batches keep rejected tokens as padding (disable_padded_drafter_batch)
};

/// How a server of whole batches forms them, and how long they take: batch_ms + requests x request_ms + prompt tokens x
/// token_us, or, with none of these, as the generation of a language model does.
struct BatchServing {
    std::int32_t max_batch_size = 1;
    double queue_delay_ms = 0;                  ///< how long the oldest waits for others
    std::vector<std::int32_t> preferred_sizes;  ///< that go at once
    std::int32_t instances = 1;                 ///< that take batches at the same time, on one GPU or the CPUs
    bool delay_from_pick = false;               ///< the delay counts from when a worker takes the oldest up
    std::optional<double> batch_ms, request_ms, token_us;
    [[nodiscard]] bool timed() const { return batch_ms || request_ms || token_us; }
};

/// What a server does with the KV of prompts.
enum class KvRole : std::uint8_t {
    none,
    producer,  ///< computes prompts for others
    consumer,  ///< goes on from prompts that others computed
    both,      ///< either, as a router has it
};

/// What one replica runs: a vLLM server as its container's command line says, or as the scenario's
/// `workload.server` or `windtunnel.dev/...` annotations declare. Names are unresolved (the model and GPU
/// catalogues are asked by the compiler); an empty optional means vLLM's own default for its version.
struct ModelServer {
    std::string engine = "vllm";         ///< or "sglang", "tgi", "trtllm", "lmdeploy", "nim": as vLLM, with a warning; or "batching"
    std::string model;                   ///< Hugging Face id or path; "" = not said
    std::vector<std::string> served_model_names;
    std::string vllm_version;            ///< "0.8.5"; "" = unknown (the newest profile is used and named)
    std::string engine_generation;       ///< "v0", "v1" or "" (by version); VLLM_USE_V1 sets it
    std::string gpu;                     ///< GPU type where it was declared; "" = from the node
    std::int32_t tensor_parallel = 1;
    std::int32_t pipeline_parallel = 1;
    std::int32_t data_parallel = 1;
    bool expert_parallel = false;
    std::string dtype = "auto";          ///< auto bf16 fp16 fp8 ... as `windtunnel kv --dtype`
    std::string quantization;            ///< vLLM's --quantization, "" = from the checkpoint
    std::string kv_cache_dtype = "auto"; ///< auto bf16 fp16 fp8
    std::optional<double> gpu_memory_utilization;  ///< 0 to 1
    std::optional<std::int64_t> max_model_len;     ///< tokens
    std::optional<std::int32_t> max_num_seqs;
    std::optional<std::int32_t> max_num_batched_tokens;
    std::optional<std::int32_t> block_size;        ///< tokens
    std::optional<std::int64_t> gpu_memory_bytes;  ///< of one GPU, in place of the catalogue's
    std::optional<std::int64_t> kv_cache_bytes;    ///< per GPU; skips the memory model
    std::optional<KvShape> kv_shape;
    std::optional<bool> prefix_caching;
    std::optional<bool> chunked_prefill;
    std::optional<bool> async_scheduling;
    std::optional<bool> enforce_eager;
    std::optional<double> swap_space_gib;          ///< V0, per GPU
    std::optional<std::int64_t> num_gpu_blocks_override;
    std::optional<std::int32_t> max_cudagraph_capture_size;
    std::optional<std::int32_t> long_prefill_token_threshold;
    std::optional<std::int32_t> stream_interval;   ///< tokens per SSE chunk
    bool priority_scheduling = false;              ///< --scheduling-policy priority
    bool swap_preemption = false;                  ///< --preemption-mode swap (V0)
    std::optional<BatchServing> batching;          ///< of engine "batching"
    std::optional<std::int64_t> cpu_limit_milli;   ///< of its container
    std::optional<Speculation> speculation;
    std::optional<double> acceptance_rate;         ///< of its drafts, each behind accepted ones; 0 to 1
    std::string load_format;                       ///< --load-format, "" = auto
    bool enable_lora = false;
    LoraSlots lora{1};                             ///< of --enable-lora
    KvRole kv_role = KvRole::none;                 ///< --kv-transfer-config
    bool kv_loss_fails = false;                    ///< its kv_load_failure_policy
    std::int32_t port = 8000;
    SourcePosition where;                          ///< of the command line or the declaration
    std::string path;                              ///< and its place in the document
};

/// What a container's command line stands in.
struct ServerSurroundings {
    std::map<std::string, std::string> files;        ///< of ConfigMap volumes, by path
    std::map<std::string, std::string> environment;  ///< what a controller adds (LWS_GROUP_SIZE, ...)
    std::int64_t pods = 1;                           ///< pods with such GPUs that serve together (a LeaderWorkerSet's group)
};

/// Reads a container's image, command, args and environment. Empty: it is no model server that we know.
/// Unknown vLLM flags, flags whose effect is not simulated, and bad values are errors in `findings`;
/// flags that cannot change the result are notes. A server without a model comes back with an empty one, for an
/// annotation or the scenario to name it. Other servers than vLLM: other_servers.hpp.
[[nodiscard]] std::optional<ModelServer> read_model_server(const Container& container, Findings& findings, const ServerSurroundings& surroundings = {});

/// `LAYERS,KV_HEADS,HEAD_DIM`, each above 0.
[[nodiscard]] std::optional<KvShape> parse_kv_shape(const std::string& text);

/// Reads a `server:` block; its keys are the flags of `windtunnel kv` with underscores
/// (`model`, `gpu`, `tp`, `max_model_len`, ...). What it does not say stays as in `base`. Calls `finish`.
[[nodiscard]] ModelServer decode_model_server(Decoder& server, const ModelServer& base);

/// Reads `windtunnel.dev/KEY: value` annotations with the keys of a `server:` block, over `base`. Empty: none is there.
[[nodiscard]] std::optional<ModelServer> read_server_annotations(const std::map<std::string, std::string>& annotations,
                                                                 const ModelServer& base, const SourcePosition& where, const std::string& path,
                                                                 Findings& findings);

}  // namespace windtunnel
