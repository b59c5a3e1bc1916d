#include "models/kv_capacity.hpp"

#include "models/kv_memory.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace windtunnel {
namespace {

constexpr double gib = 1073741824.0;

void refuse_unless(Problems& problems, bool condition, const char* path, std::string message) {
    if (!condition) problems.push_back({{}, path, std::move(message)});
}

template <class Number>
void require_at_least(Problems& problems, const std::optional<Number>& value, Number least, const char* path) {
    if (value && !(*value >= least))
        problems.push_back({{}, path, fmt::format("found {}, allowed: at least {}", *value, least)});
}

/// Everything about a request that needs no arithmetic: names, ranges, divisibility.
class RequestReader {
public:
    explicit RequestReader(const KvRequest& request) : m_request(request) {}

    /// Fills `out`; returns what is wrong.
    Problems read(KvCapacity& out) {
        read_names(out);
        if (!m_problems.empty()) return std::move(m_problems);
        read_types(out);
        read_limits(out);
        read_parallelism(out);
        return std::move(m_problems);
    }

private:
    template <class T>
    bool take(Result<T>&& result, T& into) {
        if (!result) {
            for (Problem& p : result.take_problems()) m_problems.push_back(std::move(p));
            return false;
        }
        into = std::move(*result);
        return true;
    }

    void read_names(KvCapacity& out) {
        ResolvedLlm llm;
        if (take(get_llm(m_request.model), llm)) {
            if (!llm.note.empty()) out.notes.push_back(llm.note);
            out.shape = std::move(llm.shape);
        }
        ResolvedGpu gpu;
        if (take(get_gpu(m_request.gpu), gpu)) {
            if (!gpu.note.empty()) out.notes.push_back(gpu.note);
            out.gpu = std::move(gpu.gpu);
            if (m_request.gpu_memory_bytes) out.gpu.memory_bytes = *m_request.gpu_memory_bytes;
        }
        std::optional<EngineVersion> version;
        EngineVersion read;
        if (!m_request.vllm_version.empty() && take(read_engine_version(m_request.vllm_version), read)) version = read;
        std::optional<EngineGeneration> generation;
        if (m_request.engine == "v0") generation = EngineGeneration::v0;
        else if (m_request.engine == "v1") generation = EngineGeneration::v1;
        else refuse_unless(m_problems, m_request.engine.empty(), "engine", fmt::format("found '{}', allowed: v0 or v1", m_request.engine));
        if (!m_problems.empty()) return;
        if (take(engine_profile(version, generation), out.profile) && !version)
            out.notes.push_back(fmt::format("no version given: vLLM {} is modelled", to_string(out.profile.version)));
        refuse_unless(m_problems, !out.shape.encoder_only, "model", fmt::format("found {}, an encoder without a KV cache, allowed: a decoder", out.shape.id));
    }

    void read_types(KvCapacity& out) {
        out.weights_type = out.shape.stored_type;
        if (out.weights_type == NumberType::fp32) out.weights_type = NumberType::fp16;  // vLLM's auto never keeps fp32
        if (m_request.dtype != "auto") {
            const auto type = find_number_type(m_request.dtype);
            refuse_unless(m_problems, type.has_value(), "dtype", fmt::format("found '{}', allowed: auto, bf16, fp16, fp8, mxfp4, nvfp4 or int4", m_request.dtype));
            if (type) out.weights_type = *type;
        }
        const int capability = out.gpu.compute_capability();
        if (out.weights_type == NumberType::bf16 && capability > 0 && capability < 80) {
            refuse_unless(m_problems, m_request.dtype == "auto", "dtype",
                          fmt::format("found bf16 on {}, which has no bf16 arithmetic, allowed: fp16", out.gpu.name));
            out.weights_type = NumberType::fp16;
            out.notes.push_back(fmt::format("{} has no bf16 arithmetic: weights and KV cache in fp16", out.gpu.name));
        }
        out.kv_type = out.weights_type == NumberType::fp16 ? NumberType::fp16 : NumberType::bf16;
        if (m_request.kv_cache_dtype != "auto") {
            const auto type = find_number_type(m_request.kv_cache_dtype);
            const bool allowed = type && (*type == NumberType::bf16 || *type == NumberType::fp16 || *type == NumberType::fp8);
            refuse_unless(m_problems, allowed, "kv-cache-dtype", fmt::format("found '{}', allowed: auto, bf16, fp16 or fp8", m_request.kv_cache_dtype));
            if (allowed) out.kv_type = *type;
        }
    }

    void read_limits(KvCapacity& out) {
        const KvRequest& r = m_request;
        require_at_least(m_problems, r.max_model_len, 1, "max-model-len");
        require_at_least(m_problems, r.max_num_seqs, 1, "max-num-seqs");
        require_at_least(m_problems, r.max_num_batched_tokens, 1, "max-num-batched-tokens");
        require_at_least(m_problems, r.max_cudagraph_capture_size, 0, "max-cudagraph-capture-size");
        require_at_least<std::int64_t>(m_problems, r.gpu_memory_bytes, 1, "gpu-memory-bytes");
        if (r.kv_cache_gib)
            refuse_unless(m_problems, *r.kv_cache_gib > 0 && *r.kv_cache_gib < 1e6, "kv-cache-gib", fmt::format("found {}, allowed: above 0, below 1000000", *r.kv_cache_gib));
        out.gpu_memory_utilization = r.gpu_memory_utilization.value_or(out.profile.gpu_memory_utilization);
        refuse_unless(m_problems, out.gpu_memory_utilization > 0 && out.gpu_memory_utilization <= 1, "gpu-memory-utilization",
                      fmt::format("found {}, allowed: above 0, at most 1", out.gpu_memory_utilization));
        out.block_size = r.block_size.value_or(default_block_size(out));
        const bool power = out.block_size >= 1 && out.block_size <= 1024 && (out.block_size & (out.block_size - 1)) == 0;
        refuse_unless(m_problems, power, "block-size", fmt::format("found {}, allowed: a power of two from 1 to 1024", out.block_size));
        if (r.kv_shape) {
            out.shape.layers = r.kv_shape->layers;
            out.shape.kv_heads = r.kv_shape->kv_heads;
            out.shape.head_dim = r.kv_shape->head_dim;
            out.shape.mla.reset();
            out.shape.moe.reset();
            out.shape.sliding_window.reset();
            out.shape.chunked_attention.reset();
        } else if (r.max_model_len) {
            refuse_unless(m_problems, *r.max_model_len <= out.shape.max_positions, "max-model-len",
                          fmt::format("found {}, allowed: at most {}, the longest context of {}", *r.max_model_len, out.shape.max_positions, out.shape.id));
        }
        if (!m_problems.empty()) return;
        out.max_model_len = r.max_model_len.value_or(out.shape.max_positions);
        out.limits = default_batch_limits(out.profile, out.gpu, out.max_model_len, r.max_num_seqs, r.max_num_batched_tokens);
        refuse_unless(m_problems, out.limits.max_num_batched_tokens >= out.limits.max_num_seqs, "max-num-batched-tokens",
                      fmt::format("found {}, allowed: at least max-num-seqs ({})", out.limits.max_num_batched_tokens, out.limits.max_num_seqs));
    }

    void read_parallelism(KvCapacity& out) {
        const int tp = out.tensor_parallel = m_request.tensor_parallel;
        const int pp = out.pipeline_parallel = m_request.pipeline_parallel;
        const LlmShape& s = out.shape;
        refuse_unless(m_problems, tp >= 1, "tp", fmt::format("found {}, allowed: at least 1", tp));
        refuse_unless(m_problems, pp >= 1 && pp <= s.layers, "pp", fmt::format("found {}, allowed: 1 to {} (the model's layers)", pp, s.layers));
        if (tp < 1) return;
        if (!m_request.kv_shape)
            refuse_unless(m_problems, s.attention_heads % tp == 0, "tp",
                          fmt::format("found {}, allowed: a divisor of {}'s {} attention heads", tp, s.id, s.attention_heads));
        if (!s.mla)
            refuse_unless(m_problems, tp >= s.kv_heads ? tp % s.kv_heads == 0 : s.kv_heads % tp == 0, "tp",
                          fmt::format("found {}, allowed: a divisor or a multiple of the {} KV heads", tp, s.kv_heads));
    }

    /// 16 on CUDA; the kernels of latent attention want 64 on Hopper and 128 on Blackwell (0.8 on).
    static int default_block_size(const KvCapacity& c) {
        if (!c.shape.mla || c.profile.version.minor < 8 || c.profile.generation == EngineGeneration::v0) return 16;
        const int capability = c.gpu.compute_capability();
        return capability >= 100 && capability < 120 ? 128 : capability == 90 ? 64 : 16;
    }

    const KvRequest& m_request;
    Problems m_problems;
};

KvBlockLayout layer_layout(const KvCapacity& c) {
    KvBlockLayout layout;
    layout.block_size = c.block_size;
    layout.element_bytes = c.kv_type == NumberType::fp8 ? 1 : 2;
    if (c.shape.mla) {
        layout.latent_elements = c.shape.mla->kv_lora_rank + c.shape.mla->rope_head_dim;
        // 0.7.3 padded the rows to 256 bytes: 576 elements became 640.
        if (c.profile.version.minor == 7 && c.profile.version.patch >= 3) layout.latent_elements = (layout.latent_elements + 127) / 128 * 128;
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

GroupPlan plan_groups(const LlmShape& shape, const EngineProfile& profile, int layers) {
    if (!profile.hybrid_kv_groups || !shape.sliding_window) return {{{0, 1}}, layers};
    const int window = shape.sliding_window->tokens;
    const int windowed = std::min(layers, static_cast<int>(std::lround(static_cast<double>(shape.sliding_window->layers) * layers / shape.layers)));
    const int full = layers - windowed;
    if (windowed == 0) return {{{0, 1}}, layers};
    if (full == 0) return {{{window, 1}}, layers};
    const int smallest = std::min(full, windowed), largest = std::max(full, windowed);
    // From 0.12 nearly equal counts are padded to the larger one instead of being cut into more groups.
    const int size = profile.version.minor >= 12 && 2 * largest < 3 * smallest ? largest : smallest;
    return {{{0, (full + size - 1) / size}, {window, (windowed + size - 1) / size}}, size};
}

int group_count(const std::vector<KvGroup>& groups) {
    int count = 0;
    for (const KvGroup& g : groups) count += g.count;
    return count;
}

/// The largest length of one request whose blocks fit in `blocks`.
std::int64_t longest_request(const KvCapacity& c) {
    std::int64_t low = 0, high = c.num_gpu_blocks * c.block_size + 1;
    if (c.groups.size() > 1 || c.groups[0].window_tokens > 0) high = std::max<std::int64_t>(high, std::int64_t{c.max_model_len} + 1);
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        const bool fits = blocks_per_request(c.groups, c.block_size, middle, c.limits.max_num_batched_tokens) <= c.num_gpu_blocks;
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
    int layers = 1;
};

/// Fills the ledger of the tightest stage.
TightestStage tightest_stage(KvCapacity& c, std::size_t graphs) {
    const ModelParallelism parallelism{c.tensor_parallel, c.pipeline_parallel};
    TightestStage tightest;
    double tightest_per_layer = INFINITY;
    for (int stage = 0; stage < c.pipeline_parallel; ++stage) {
        const StageWeights w = stage_weights(c.shape, c.weights_type, parallelism, stage);
        const StartupMemory m = startup_memory(c.shape, c.gpu, c.profile, c.limits, parallelism, w.layers,
                                               stage == c.pipeline_parallel - 1, graphs);
        const double pool = c.gpu_memory_utilization * static_cast<double>(c.gpu.memory_bytes) - w.total() - m.activation -
                            m.non_torch - m.cuda_graphs;
        if (pool / w.layers >= tightest_per_layer) continue;
        tightest_per_layer = pool / w.layers;
        tightest = {pool, w.layers};
        c.weights_gib = w.total() / gib;
        c.activation_gib = m.activation / gib;
        c.non_torch_gib = m.non_torch / gib;
        c.cuda_graph_gib = m.cuda_graphs / gib;
    }
    return tightest;
}

std::string ledger(const KvCapacity& c) {
    std::string text = fmt::format("{:.2f} x {:.2f} GiB = {:.2f} GiB, less weights {:.2f}, activation peak {:.2f}, non-torch {:.2f}",
                                   c.gpu_memory_utilization, c.total_gib, c.gpu_memory_utilization * c.total_gib, c.weights_gib,
                                   c.activation_gib, c.non_torch_gib);
    if (c.cuda_graph_gib > 0) text += fmt::format(", CUDA graphs {:.2f}", c.cuda_graph_gib);
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
        c.refusal = fmt::format("does not fit: {} on {}, TP {}, PP {}: {}; allowed: room for at least one block ({:.2f} MiB)", c.shape.id,
                                c.gpu.name, c.tensor_parallel, c.pipeline_parallel, ledger(c), static_cast<double>(c.bytes_per_block) / 1048576.0);
    } else if (c.max_model_len > c.longest_that_fits && (!request.kv_cache_gib || request.max_model_len)) {
        const double needed = static_cast<double>(blocks_per_request(c.groups, c.block_size, c.max_model_len, c.limits.max_num_batched_tokens)) *
                              static_cast<double>(c.bytes_per_block) / gib;
        c.fits = false;
        c.refusal = fmt::format("does not fit: one request of {} tokens needs {:.2f} GiB of KV cache per GPU and {:.2f} GiB are there ({}); "
                                "the longest that fits is {} tokens (--max-model-len {})",
                                c.max_model_len, needed, c.kv_cache_gib, request.kv_cache_gib ? "as given" : ledger(c), c.longest_that_fits, c.longest_that_fits);
    }
    if (c.fits || request.kv_cache_gib || request.tensor_parallel >= 16) return;
    const int tp = smallest_fitting_tp(request);
    if (tp > 0 && tp != request.tensor_parallel) c.refusal += fmt::format("; TP {} would fit", tp);
}

}  // namespace

Result<KvShape> read_kv_shape(std::string_view text) {
    KvShape shape;
    int* const parts[] = {&shape.layers, &shape.kv_heads, &shape.head_dim};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (int i = 0; i < 3; ++i) {
        const auto [next, error] = std::from_chars(at, end, *parts[i]);
        const bool separated = i < 2 ? next != end && *next == ',' : next == end;
        if (error != std::errc() || *parts[i] < 1 || *parts[i] > 100000 || !separated)
            return Problem{{}, "kv-shape", fmt::format("found '{}', allowed: LAYERS,KV_HEADS,HEAD_DIM, as 32,8,128", text)};
        at = i < 2 ? next + 1 : next;
    }
    return shape;
}

std::int64_t blocks_per_request(const std::vector<KvGroup>& groups, int block_size, std::int64_t tokens, int max_num_batched_tokens) {
    std::int64_t blocks = 0;
    for (const KvGroup& g : groups) {
        std::int64_t held = tokens;
        if (g.window_tokens > 0) held = std::min<std::int64_t>(tokens, std::int64_t{g.window_tokens} - 1 + max_num_batched_tokens);
        blocks += g.count * ((held + block_size - 1) / block_size + (g.window_tokens > 0 ? 1 : 0));
    }
    return blocks;
}

double max_concurrency(const EngineProfile& profile, const std::vector<KvGroup>& groups, std::int64_t blocks, int block_size,
                       std::int64_t tokens_per_request, int max_num_batched_tokens) {
    if (tokens_per_request <= 0) return 0;
    if (profile.concurrency_in_blocks || group_count(groups) > 1)
        return static_cast<double>(blocks) / static_cast<double>(blocks_per_request(groups, block_size, tokens_per_request, max_num_batched_tokens));
    return static_cast<double>(blocks) * block_size / static_cast<double>(tokens_per_request);
}

Result<KvCapacity> kv_capacity(const KvRequest& request) {
    KvCapacity c;
    if (Problems problems = RequestReader(request).read(c); !problems.empty()) return problems;
    c.layout = layer_layout(c);
    c.total_gib = static_cast<double>(c.gpu.memory_bytes) / gib;

    TightestStage stage = tightest_stage(c, request.enforce_eager ? 0 : graphs_captured(c, request.max_cudagraph_capture_size));
    if (request.kv_cache_gib) {
        stage = {*request.kv_cache_gib * gib, 0};
        for (int s = 0; s < c.pipeline_parallel; ++s) stage.layers = std::max(stage.layers, layers_of_stage(c.shape.layers, c.pipeline_parallel, s));
    }
    const double pool = stage.pool;
    const GroupPlan plan = plan_groups(c.shape, c.profile, stage.layers);
    c.groups = plan.groups;
    c.bytes_per_block = c.layout.bytes_per_block() * plan.layers_per_block;
    if (request.kv_cache_gib) c.notes.push_back("KV cache size given: the memory model decides nothing");
    c.kv_cache_gib = pool / gib;
    // Both roundings of the engine at once: whole pages of one layer, then whole blocks over the layers.
    const std::int64_t pages = pool > 0 ? static_cast<std::int64_t>(pool / static_cast<double>(c.layout.bytes_per_block())) : 0;
    c.num_gpu_blocks = pages / plan.layers_per_block;
    if (c.profile.generation == EngineGeneration::v0)
        c.num_cpu_blocks = static_cast<std::int64_t>(request.swap_space_gib * gib / static_cast<double>(c.bytes_per_block));
    c.longest_that_fits = longest_request(c);
    c.max_concurrency = max_concurrency(c.profile, c.groups, c.num_gpu_blocks, c.block_size, c.max_model_len, c.limits.max_num_batched_tokens);
    c.kv_cache_tokens = c.num_gpu_blocks / group_count(c.groups) * c.block_size;
    judge(c, request);
    return c;
}

}  // namespace windtunnel
