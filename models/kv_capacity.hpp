#pragma once
#include "models/engine_profile.hpp"
#include "models/gpu_catalog.hpp"
#include "models/kv_layout.hpp"
#include "models/llm_catalog.hpp"
#include "models/llm_weights.hpp"
#include "models/problem.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// LAYERS,KV_HEADS,HEAD_DIM in place of the model's own attention shape; all layers then see everything.
struct KvShape {
    int layers = 0;
    int kv_heads = 0;
    int head_dim = 0;
};
/// "32,8,128".
[[nodiscard]] Result<KvShape> read_kv_shape(std::string_view text);

/// What is asked: the engine's start-up flags. What is not given takes the release's default.
struct KvRequest {
    std::string model;  ///< see get_llm
    std::string gpu;    ///< see get_gpu
    int tensor_parallel = 1;
    int pipeline_parallel = 1;
    int data_parallel = 1;    ///< engines behind one address, each with a pool of its own
    int expert_parallel = 1;  ///< GPUs that share the experts: 1, tp, or tp * dp (spread over the engines);
                              ///< 0 = as vLLM does without --enable-expert-parallel: all of tp * dp
    std::string dtype = "auto";           ///< weights: auto = what the checkpoint is stored in
    std::string kv_cache_dtype = "auto";  ///< auto = 16 bits
    std::string engine;                   ///< "v0", "v1" or empty
    std::string vllm_version;             ///< "0.11.0" or empty
    std::optional<double> gpu_memory_utilization;
    std::optional<int> max_model_len;
    std::optional<int> max_num_seqs;
    std::optional<int> max_num_batched_tokens;
    std::optional<int> block_size;
    std::optional<int> max_cudagraph_capture_size;
    std::optional<std::int64_t> gpu_memory_bytes;  ///< total of one GPU in place of the catalogue's
    std::optional<double> kv_cache_gib;            ///< skips the memory model: the pool of one GPU
    std::optional<KvShape> kv_shape;
    bool enforce_eager = false;
    double swap_space_gib = 4;  ///< V0 only
    LoraSlots lora;
};

/// Layers of one kind that share block tables (hybrid models have several groups).
struct KvGroup {
    int window_tokens = 0;  ///< 0 = full attention
    int count = 1;          ///< groups of this kind
    bool state = false;     ///< of recurrent layers: a block for each sequence, whatever its length
};

/// What the engine would start with, per GPU (the smallest rank's pool). GiB are 2^30 bytes.
struct KvCapacity {
    bool fits = true;
    std::string refusal;  ///< when it does not: the arithmetic, and what would fit

    std::int64_t num_gpu_blocks = 0;  ///< null block included (V1 keeps one)
    std::int64_t num_cpu_blocks = 0;  ///< V0's swap space
    std::int64_t kv_cache_tokens = 0;
    double max_concurrency = 0;          ///< requests of max_model_len tokens
    std::int64_t bytes_per_block = 0;    ///< over all layers of a rank (of a group, in hybrid models)
    std::int64_t longest_that_fits = 0;  ///< tokens of one request that the pool can hold

    double total_gib = 0, kv_cache_gib = 0, weights_gib = 0, activation_gib = 0, non_torch_gib = 0,
           cuda_graph_gib = 0, lora_gib = 0;
    double gpu_memory_utilization = 0;
    int block_size = 16, max_model_len = 0, tensor_parallel = 1, pipeline_parallel = 1;
    int expert_groups = 1;  ///< data-parallel engines that share one set of experts
    BatchLimits limits;
    EngineProfile profile;
    NumberType weights_type = NumberType::bf16;
    NumberType kv_type = NumberType::bf16;
    KvBlockLayout layout;         ///< of one layer on one rank
    std::vector<KvGroup> groups;  ///< one of full attention unless the model is hybrid
    LlmShape shape;               ///< kv_shape applied
    Gpu gpu;                      ///< gpu_memory_bytes applied
    std::vector<std::string> notes;
};

/// Computes the pool. Problems are usage errors (unknown names, values that no engine takes); a model that
/// does not fit is an answer, with `fits` false and `refusal` set.
[[nodiscard]] Result<KvCapacity> kv_capacity(const KvRequest& request);

/// Blocks that one request of `tokens` tokens needs at most, over all groups.
[[nodiscard]] std::int64_t blocks_per_request(const std::vector<KvGroup>& groups, int block_size,
                                              std::int64_t tokens, int max_num_batched_tokens);

/// vLLM's "maximum concurrency for M tokens per request".
[[nodiscard]] double max_concurrency(const EngineProfile& profile, const std::vector<KvGroup>& groups,
                                     std::int64_t blocks, int block_size, std::int64_t tokens_per_request,
                                     int max_num_batched_tokens);

/// The answer as JSON, the contract's keys first; ends with a newline.
[[nodiscard]] std::string kv_capacity_json(const KvCapacity& capacity);
/// The answer for people: the ledger line by line, then the pool; ends with a newline.
[[nodiscard]] std::string kv_capacity_table(const KvCapacity& capacity);

}  // namespace windtunnel
