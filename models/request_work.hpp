#pragma once
#include "models/server_config.hpp"
#include "models/wide_sum.hpp"

namespace windtunnel {

namespace request_work_detail {

/// One prompt's part of a step full of such prompts; of a prompt longer than a step: of all its steps.
WT_HD inline WideSum prefill_work(const ServerConfig& c, std::int64_t prompt) {
    const std::int64_t budget = c.max_num_batched_tokens, pairs = prompt * (prompt + 1) / 2;
    WideSum out;
    if (prompt <= budget) {
        std::int64_t together = budget / prompt;
        if (together > c.max_num_seqs) together = c.max_num_seqs;
        const Tick step = c.mixed_step_time(together * prompt, together, together * pairs, 0);
        out.add(static_cast<std::uint64_t>(step.count / together));
    } else {
        const std::int64_t steps = (prompt + budget - 1) / budget;
        const Tick step = c.mixed_step_time((prompt + steps - 1) / steps, 1, pairs / steps, 0);
        out.add_product(static_cast<std::uint64_t>(step.count), static_cast<std::uint64_t>(steps));
    }
    return out;
}
/// The part of `tokens` decode steps, at the mean context.
WT_HD inline WideSum decode_work(const ServerConfig& c, std::int64_t prompt, std::int64_t tokens) {
    std::int64_t rows = c.usable_blocks / c.most_blocks(prompt + tokens);
    if (rows > c.max_num_seqs) rows = c.max_num_seqs;
    if (rows < 1) rows = 1;
    const Tick step =
        c.decode_step[static_cast<std::size_t>(rows)] + c.attention_time(rows * (prompt + tokens / 2));
    WideSum out;
    out.add_product(static_cast<std::uint64_t>(step.count / rows), static_cast<std::uint64_t>(tokens));
    return out;
}

}  // namespace request_work_detail

/// The work of a request, in ticks: what sharing out a server's cost among those who sent requests goes by. It is the
/// time that the request would take of a replica *full of requests like it*: its prompt is prefilled in steps filled with
/// such prompts, its tokens (the first comes with the prompt) are made in steps of as many such sequences as the
/// scheduler and the KV pool hold, each reading its own context. So it depends on the request alone, not on who
/// ran beside it, and who occupies more of the KV pool counts for more. What a prefix cache had counts as computed.
/// `prompt`: tokens prefilled; 0 = it never got that far, and there was no work.
[[nodiscard]] WT_HD_COLD inline WideSum work_of(const ServerConfig& server, std::int64_t prompt,
                                                std::int64_t output) {
    WideSum work;
    if (prompt <= 0) return work;
    if (server.kind == ReplicaKind::whole_batches) {
        const std::int64_t size = server.max_num_seqs;
        const Tick batch = server.batch_time(size, prompt, output, size * prompt);
        work.add(static_cast<std::uint64_t>(batch.count / size));
        return work;
    }
    work = request_work_detail::prefill_work(server, prompt);
    if (output > 1) work.merge(request_work_detail::decode_work(server, prompt, output - 1));
    return work;
}

}  // namespace windtunnel
