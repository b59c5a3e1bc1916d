#include "models/kv_capacity.hpp"

#include "models/bytes.hpp"
#include "models/kv_memory.hpp"
#include "models/kv_request.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

KvBlockLayout layer_layout(const KvCapacity& c) {
    KvBlockLayout layout;
    layout.block_size = c.block_size;
    layout.element_bytes = c.kv_type == NumberType::fp8 ? 1 : 2;
    if (c.shape.mla) {
        layout.latent_elements = c.shape.mla->kv_lora_rank + c.shape.mla->rope_head_dim;
        if (c.shape.indexer) {
            // fp8 rows of sparse attention keep their scales and 16-bit positions: 656 bytes for 512 + 64 (vllm.md 3.1). The
            // indexer's keys are fp8 with a scale of four bytes for 128 of them (DeepSeek-V3.2 in vLLM 0.11).
            const LatentAttention& a = *c.shape.mla;
            if (c.kv_type == NumberType::fp8)
                layout.latent_elements = a.kv_lora_rank + a.kv_lora_rank / 128 * 4 + 2 * a.rope_head_dim;
            layout.index_bytes = c.shape.indexer->head_dim + c.shape.indexer->head_dim / 128 * 4;
        }
        // 0.7.3 padded the rows to 256 bytes: 576 elements became 640.
        if (c.profile.version.minor == 7 && c.profile.version.patch >= 3)
            layout.latent_elements = (layout.latent_elements + 127) / 128 * 128;
    } else {
        layout.kv_heads = kv_heads_per_rank(c.shape.kv_heads, c.tensor_parallel);
        layout.head_dim = c.shape.head_dim;
    }
    return layout;
}

/// How the layers of a rank share block tables, and how many layers one block id covers.
struct GroupPlan {
    std::vector<KvGroup> groups;
    int layers_per_block = 0;
};

/// Of `full` layers that see everything and `others` of another kind.
GroupPlan plan_kinds(const EngineProfile& profile, int full, KvGroup other, int others) {
    if (others == 0) return {{{0, 1}}, full};
    const int smallest = full > 0 ? std::min(full, others) : others, largest = std::max(full, others);
    // From 0.12 nearly equal counts are padded to the larger one instead of being cut into more groups.
    const int size = profile.version.minor >= 12 && 2 * largest < 3 * smallest ? largest : smallest;
    other.count = (others + size - 1) / size;
    if (full == 0) return {{other}, size};
    return {{{0, (full + size - 1) / size}, other}, size};
}

GroupPlan plan_groups(const LlmShape& shape, const EngineProfile& profile, int layers) {
    if (!profile.hybrid_kv_groups || !shape.sliding_window) return {{{0, 1}}, layers};
    const int window = shape.sliding_window->tokens;
    const int windowed =
        std::min(layers, static_cast<int>(std::lround(static_cast<double>(shape.sliding_window->layers) *
                                                      layers / attention_layers(shape))));
    return plan_kinds(profile, layers - windowed, {window, 1}, windowed);
}

int group_count(const std::vector<KvGroup>& groups) {
    int count = 0;
    for (const KvGroup& g : groups) count += g.count;
    return count;
}

/// The largest length of one request whose blocks fit in `blocks`.
std::int64_t longest_request(const KvCapacity& c) {
    std::int64_t low = 0, high = c.num_gpu_blocks * c.block_size + 1;
    if (c.groups.size() > 1 || c.groups[0].window_tokens > 0 || c.groups[0].state)
        high = std::max<std::int64_t>(high, std::int64_t{c.max_model_len} + 1);
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        const bool fits = blocks_per_request(c.groups, c.block_size, middle,
                                             c.limits.max_num_batched_tokens) <= c.num_gpu_blocks;
        (fits ? low : high) = middle;
    }
    return low;
}

/// One piecewise graph per captured size and, up to max_num_seqs, a full one for pure decodes.
std::size_t graphs_captured(const KvCapacity& c, std::optional<int> ceiling) {
    std::size_t graphs = 0;
    for (const int size : captured_batch_sizes(c.profile, c.limits, ceiling))
        graphs += c.profile.full_graphs && size <= c.limits.max_num_seqs ? 2 : 1;
    return graphs;
}

/// The stage whose pool holds the fewest blocks: what is left for the pool in bytes (may be negative).
struct TightestStage {
    double pool = 0;
    int layers = 1;  ///< with a KV cache
    int recurrent = 0;
};

/// Whether states live in the pool beside the blocks; before, they had memory of their own for max_num_seqs requests.
bool pools_states(const KvCapacity& c) {
    return c.shape.recurrent && c.profile.generation == EngineGeneration::v1 && c.profile.version >= EngineVersion{10, 0};
}

/// A state takes the place of a block of one layer: vLLM makes blocks as long as that takes, in steps of 16 tokens.
void lengthen_blocks(KvCapacity& c) {
    if (!pools_states(c) || attention_layers(c.shape) == 0) return;
    const std::int64_t state = recurrent_state_bytes(c.shape, c.tensor_parallel), sixteen = 16 * c.layout.bytes_per_token();
    const std::int64_t least = (state + sixteen - 1) / sixteen * 16;
    if (least <= c.block_size || least > 16'384) return;
    c.notes.push_back(fmt::format("blocks of {} tokens: a block of one layer holds the state of a recurrent one ({} bytes)",
                                  least, state));
    c.block_size = c.layout.block_size = static_cast<int>(least);
}

/// Fills the ledger of the tightest stage.
TightestStage tightest_stage(KvCapacity& c, std::size_t graphs, const LoraSlots& lora) {
    const ModelParallelism parallelism{c.tensor_parallel, c.pipeline_parallel, c.expert_groups};
    TightestStage tightest;
    double tightest_per_layer = INFINITY;
    for (int stage = 0; stage < c.pipeline_parallel; ++stage) {
        const StageWeights w = stage_weights(c.shape, c.weights_type, parallelism, stage);
        const StartupMemory m = startup_memory(c.shape, c.gpu, c.profile, c.limits, parallelism, w.layers,
                                               stage == c.pipeline_parallel - 1, graphs);
        const double states = pools_states(c) ? 0.0
                                              : static_cast<double>(recurrent_state_bytes(c.shape, c.tensor_parallel)) *
                                                    w.recurrent_layers * c.limits.max_num_seqs;
        const double adapters = lora_bytes(c.shape, w, c.tensor_parallel, lora);
        const double pool = c.gpu_memory_utilization * static_cast<double>(c.gpu.memory_bytes) - w.total() -
                            m.activation - m.non_torch - m.cuda_graphs - states - adapters;
        if (pool / w.layers >= tightest_per_layer) continue;
        tightest_per_layer = pool / w.layers;
        tightest = {pool, w.attention_layers, w.recurrent_layers};
        c.weights_gib = w.total() / gib;
        c.activation_gib = m.activation / gib;
        c.non_torch_gib = m.non_torch / gib;
        c.cuda_graph_gib = m.cuda_graphs / gib;
        c.lora_gib = adapters / gib;
    }
    return tightest;
}

std::string ledger(const KvCapacity& c) {
    std::string text = fmt::format(
        "{:.2f} x {:.2f} GiB = {:.2f} GiB, less weights {:.2f}, activation peak {:.2f}, non-torch {:.2f}",
        c.gpu_memory_utilization, c.total_gib, c.gpu_memory_utilization * c.total_gib, c.weights_gib,
        c.activation_gib, c.non_torch_gib);
    if (c.cuda_graph_gib > 0) text += fmt::format(", CUDA graphs {:.2f}", c.cuda_graph_gib);
    if (c.lora_gib > 0) text += fmt::format(", LoRA slots {:.2f}", c.lora_gib);
    return text + fmt::format(" GiB per GPU = {:.2f} GiB for the KV cache", c.kv_cache_gib);
}

/// The smallest tensor parallel size above the one asked for that starts; 0 when none up to 16 does.
int smallest_fitting_tp(const KvRequest& request) {
    KvRequest wider = request;
    for (int tp = request.tensor_parallel * 2; tp <= 16; tp *= 2) {
        wider.tensor_parallel = tp;
        const Result<KvCapacity> tried = kv_capacity(wider);
        if (tried.ok() && tried->fits) return tp;
    }
    return 0;
}

void judge(KvCapacity& c, const KvRequest& request) {
    if (c.num_gpu_blocks <= 0) {
        c.fits = false;
        c.refusal = fmt::format(
            "does not fit: {} on {}, TP {}, PP {}: {}; allowed: room for at least one block ({:.2f} MiB)",
            c.shape.id, c.gpu.name, c.tensor_parallel, c.pipeline_parallel, ledger(c),
            static_cast<double>(c.bytes_per_block) / 1048576.0);
    } else if (c.max_model_len > c.longest_that_fits && (!request.kv_cache_gib || request.max_model_len)) {
        const double needed = static_cast<double>(blocks_per_request(c.groups, c.block_size, c.max_model_len,
                                                                     c.limits.max_num_batched_tokens)) *
                              static_cast<double>(c.bytes_per_block) / gib;
        c.fits = false;
        c.refusal = fmt::format(
            "does not fit: one request of {} tokens needs {:.2f} GiB of KV cache per GPU and {:.2f} GiB are "
            "there ({}); the longest that fits is {} tokens (--max-model-len {})",
            c.max_model_len, needed, c.kv_cache_gib, request.kv_cache_gib ? "as given" : ledger(c),
            c.longest_that_fits, c.longest_that_fits);
    }
    if (c.fits || request.kv_cache_gib || request.tensor_parallel >= 16) return;
    const int tp = smallest_fitting_tp(request);
    if (tp > 0 && tp != request.tensor_parallel) c.refusal += fmt::format("; TP {} would fit", tp);
}

}  // namespace

std::int64_t blocks_per_request(const std::vector<KvGroup>& groups, int block_size, std::int64_t tokens,
                                int max_num_batched_tokens) {
    std::int64_t blocks = 0;
    for (const KvGroup& g : groups) {
        std::int64_t held = tokens;
        if (g.state) {
            blocks += g.count;
            continue;
        }
        if (g.window_tokens > 0)
            held = std::min<std::int64_t>(tokens, std::int64_t{g.window_tokens} - 1 + max_num_batched_tokens);
        blocks += g.count * ((held + block_size - 1) / block_size + (g.window_tokens > 0 ? 1 : 0));
    }
    return blocks;
}

double max_concurrency(const EngineProfile& profile, const std::vector<KvGroup>& groups, std::int64_t blocks,
                       int block_size, std::int64_t tokens_per_request, int max_num_batched_tokens) {
    if (tokens_per_request <= 0) return 0;
    if (profile.concurrency_in_blocks || group_count(groups) > 1)
        return static_cast<double>(blocks) /
               static_cast<double>(
                   blocks_per_request(groups, block_size, tokens_per_request, max_num_batched_tokens));
    return static_cast<double>(blocks) * block_size / static_cast<double>(tokens_per_request);
}

Result<KvCapacity> kv_capacity(const KvRequest& request) {
    KvCapacity c;
    if (Problems problems = read_kv_request(request, c); !problems.empty()) return problems;
    c.layout = layer_layout(c);
    c.total_gib = static_cast<double>(c.gpu.memory_bytes) / gib;
    lengthen_blocks(c);

    TightestStage stage =
        tightest_stage(c, request.enforce_eager ? 0 : graphs_captured(c, request.max_cudagraph_capture_size), request.lora);
    if (request.kv_cache_gib) {
        stage = {*request.kv_cache_gib * gib, 0, 0};
        for (int s = 0; s < c.pipeline_parallel; ++s) {
            const StageWeights w = stage_weights(c.shape, c.weights_type, {c.tensor_parallel, c.pipeline_parallel, 1}, s);
            stage.layers = std::max(stage.layers, w.attention_layers);
            stage.recurrent = std::max(stage.recurrent, w.recurrent_layers);
        }
    }
    const double pool = stage.pool;
    // Hybrid models of attention and recurrent layers (vLLM 0.10.1 on): a state in place of a block of tokens.
    const GroupPlan plan = pools_states(c) ? plan_kinds(c.profile, stage.layers, {0, 1, true}, stage.recurrent)
                                           : plan_groups(c.shape, c.profile, stage.layers);
    c.groups = plan.groups;
    c.bytes_per_block = c.layout.bytes_per_block() * plan.layers_per_block;
    if (request.kv_cache_gib) c.notes.push_back("KV cache size given: the memory model decides nothing");
    c.kv_cache_gib = pool / gib;
    // Both roundings of the engine at once: whole pages of one layer, then whole blocks over the layers.
    const std::int64_t pages =
        pool > 0 ? static_cast<std::int64_t>(pool / static_cast<double>(c.layout.bytes_per_block())) : 0;
    c.num_gpu_blocks = pages / plan.layers_per_block;
    if (c.profile.generation == EngineGeneration::v0)
        c.num_cpu_blocks =
            static_cast<std::int64_t>(request.swap_space_gib * gib / static_cast<double>(c.bytes_per_block));
    c.longest_that_fits = longest_request(c);
    c.max_concurrency = max_concurrency(c.profile, c.groups, c.num_gpu_blocks, c.block_size, c.max_model_len,
                                        c.limits.max_num_batched_tokens);
    c.kv_cache_tokens = c.num_gpu_blocks / group_count(c.groups) * c.block_size;
    // Newer releases report for hybrid models what requests of full length would hold.
    if (group_count(c.groups) > 1 && c.profile.version.minor >= 20)
        c.kv_cache_tokens = static_cast<std::int64_t>(c.max_concurrency * c.max_model_len);
    judge(c, request);
    return c;
}

}  // namespace windtunnel
