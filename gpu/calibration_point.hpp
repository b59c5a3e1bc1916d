#pragma once
#include <cstdint>

namespace windtunnel {

/// What `calibrate` measures.
enum class CalibrationKind : std::uint8_t {
    read,       ///< bytes per second of a plain read
    copy,       ///< ... of a copy, read and written bytes counted
    product,    ///< seconds of C[rows][outputs] = A[rows][inputs] B[inputs][outputs]
    attention,  ///< seconds of `rows` sequences of `length` tokens, the last `queries` of them new
    sampling,   ///< seconds of drawing a token from each of `rows` rows of the stack's vocabulary
    step,       ///< seconds of a whole decode step of the stack: `rows` sequences of `length` tokens
    kv_blocks   ///< blocks of the cache that an engine gets, allocating as it does
};

/// A dense stack of layers on one GPU.
struct DecodeStack {
    int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
    int vocabulary = 0;
    bool gated = true;  ///< three matrices per MLP, else two
};

/// What an engine's start takes of the memory: weights for good, activations for a while, graphs for good.
struct StartMemory {
    std::int64_t weights = 0, activations = 0, kept = 0;  ///< bytes
    std::int64_t bytes_per_block = 0;
    double share = 0.9;                 ///< of the GPU's memory, for all of it
    std::int64_t predicted_blocks = 0;  ///< by the model of memory; for whoever compares
};

/// One thing to be measured; fields as its kind says.
struct CalibrationPoint {
    CalibrationKind kind = CalibrationKind::read;
    std::int64_t rows = 1;
    std::int64_t outputs = 0, inputs = 0;
    std::int64_t length = 0, queries = 1;
    int element_bytes = 2;  ///< of a product's matrices, of the cache
    DecodeStack stack;
    StartMemory memory;
};

}  // namespace windtunnel
