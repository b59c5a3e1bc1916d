#pragma once
#include "gpu/calibration_point.hpp"

#include <cstdint>
#include <memory>

namespace windtunnel {

/// A dense stack of layers with made-up weights in bf16, ready to take decode steps: norms with residuals,
/// products by cuBLASLt, rotary positions, the KV write, paged attention, the activation, and after the last
/// layer the head's product and sampling. It computes what a model computes, kernel by kernel, and nobody
/// looks at the numbers.
class DecodeStep {
public:
    /// `rows` sequences of `length` tokens, the new one included. Throws std::runtime_error where memory is
    /// short or cuBLAS is missing.
    DecodeStep(const DecodeStack& stack, int rows, int length);
    ~DecodeStep();
    DecodeStep(const DecodeStep&) = delete;
    DecodeStep& operator=(const DecodeStep&) = delete;

    /// One step; `stream` is a cudaStream_t. Allocates nothing: may be captured.
    void launch(void* stream) const;

private:
    struct Parts;
    std::unique_ptr<Parts> m_parts;
};

/// Draws a token from each row of bf16 logits [rows][vocabulary]: softmax, then the largest of probability
/// over exponential noise, as vLLM samples without top-k and top-p.
void launch_sampling(const void* logits, std::int32_t* tokens, std::int64_t rows, std::int64_t vocabulary,
                     void* stream);

}  // namespace windtunnel
