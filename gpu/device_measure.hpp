#pragma once
#include "gpu/attention_plan.hpp"

#include <cstdint>
#include <string>

namespace windtunnel {

/// The GPU as CUDA reports it.
struct DeviceIdentity {
    std::string name, driver;       ///< "NVIDIA H100 80GB HBM3", "13.0"
    std::int64_t memory_bytes = 0;  ///< total
    std::int64_t free_bytes = 0;    ///< with this program's context up
    double bytes_per_second = 0;    ///< peak of the memory's clock and bus
    int multiprocessors = 0;
    int l2_bytes = 0;
};

// Defined where device code is linked (WINDTUNNEL_HAS_CUDA). Times are medians of replayed CUDA graphs, over
// data that together is four times the L2 cache; failures throw std::runtime_error with CUDA's words.

[[nodiscard]] DeviceIdentity identify_device();
/// Bytes per second of a plain read, and of a copy (read and written bytes counted).
[[nodiscard]] double measure_read();
[[nodiscard]] double measure_copy();
/// Seconds of C[tokens][outputs] = A[tokens][inputs] B[inputs][outputs] in bf16 by cuBLASLt's first
/// heuristic.
[[nodiscard]] double measure_product(std::int64_t tokens, std::int64_t outputs, std::int64_t inputs);
/// Seconds of attention of `batch` sequences of `length` tokens, the last `queries` of them new.
[[nodiscard]] double measure_attention(FloatFormat format, int heads, int kv_heads, int head_dim, int batch,
                                       int length, int queries);
/// Allocates as an engine does at start (weights, then the peak of activations, freed again, then what graphs
/// keep, then the pool block by block up to `share` of the memory) and says how many blocks there were.
[[nodiscard]] std::int64_t probe_kv_blocks(std::int64_t weights, std::int64_t activations, std::int64_t kept,
                                           std::int64_t bytes_per_block, double share);

}  // namespace windtunnel
