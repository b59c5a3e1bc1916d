#pragma once
#include "models/engine_schedule.hpp"

/// The part of vLLM V1's scheduler that deals with drafts (vllm.md 1.5, 1.9, 2.5, 2.10): a step verifies the drafts
/// behind a sequence's token, and gives it the model's own token and the drafts before it that are accepted. The KV
/// of the others is forgotten; blocks that were taken for it stay.
///
/// Asynchronous scheduling (1.13.5) plans a step before it is known what the step ahead accepts: the sequence counts
/// as if all of its drafts were, in its computed tokens, in the blocks it asks for and in the room up to
/// max_model_len; what was rejected is taken back when the step has ended. It is left out where one token of the
/// step ahead is enough for its limit (1.13.6), so that drafts which reach the limit cost a row. `late` is this mode:
/// outputs are those that have come.
///
/// With drafts, end_step of a running job counts its blocks, as rejected tokens may have some. Its upper bits hold, with
/// synchronous scheduling, the tokens of its last step, behind which hashing lags; with asynchronous scheduling, its
/// tokens in the step on the GPU (its own and its drafts) and whether tokens have come since it was last scheduled.
namespace windtunnel {

/// Tokens that a running job asks for: what is not computed, and the drafts behind it. No draft stands where the last
/// token that the model's length allows would be (1.5 b).
template <class Layout>
WT_HD_COLD std::int64_t EngineSchedule<Layout>::wanted(const Pool& pool, const Job& job) const {
    std::int64_t rest = rest_of(job);
    if (job.state != JobState::stalled) return rest;
    if (late() && on_the_way(job) > 0) {
        const std::uint32_t asked = stops_early(pool, job) ? pool.requests[job.request].asked() : job.output_tokens;
        if (job.outputs + 1 >= asked) return 0;
        rest += on_the_way(job);
    }
    return min_of(rest + m_config->draft_tokens,
                  m_config->max_model_len - 1 - static_cast<std::int64_t>(job.computed));
}

/// Of its tokens, those whose blocks can be found again when they are full; `given`: it has got tokens in the step that
/// is being planned. They are hashed when a step is scheduled, up to the last that has come, and asynchronously
/// also when tokens come, up to the last whose KV exists.
template <class Layout>
WT_HD std::uint32_t EngineSchedule<Layout>::hashed_with_drafts(const Job& job, std::uint32_t given) const {
    if (job.state == JobState::prefilling) return job.computed;
    const std::uint32_t all = job.prompt_tokens + job.outputs;
    if (given > 0) return all;
    if (late()) return (job.end_step & returned_since) != 0 ? all - 1 : all;
    return all - (job.end_step >> 24);
}

/// Of so many drafts behind a job's tokens, those that the model accepts.
template <class Layout>
WT_HD std::uint32_t EngineSchedule<Layout>::accepted(const Pool& pool, const Job& job, std::uint32_t drafts) const {
    return accepted_drafts(pool.seed, pool.trial, job.request, job.outputs, drafts, m_config->acceptance_q32);
}

/// What attention reads for a job in the step that is being planned: the GPU knows what the step before accepted.
template <class Layout>
WT_HD std::int64_t EngineSchedule<Layout>::context_with_drafts(const Pool& pool, const Job& job) const {
    const std::int64_t context = static_cast<std::int64_t>(job.prompt_tokens) + job.outputs;
    if (!late() || on_the_way(job) == 0) return context;
    return context + 1 + accepted(pool, job, on_the_way(job) - 1);
}

/// A running job is scheduled, and takes so many more blocks.
template <class Layout>
WT_HD void EngineSchedule<Layout>::note_blocks(Job& job, std::int64_t more) const {
    job.end_step = (job.end_step & (late() ? ~returned_since : blocks_of_drafting)) + static_cast<std::uint32_t>(more);
}

/// Synchronously: what its step brings a job. True when it has all its tokens.
template <class Layout>
WT_HD_COLD bool EngineSchedule<Layout>::take_accepted(const Pool& pool, Job& job) {
    std::uint32_t& given = m_given[job.place];
    given = 1 + accepted(pool, job, given - 1);
    if (given > job.output_tokens - job.outputs) given = job.output_tokens - job.outputs;
    job.outputs += given;
    job.computed = job.prompt_tokens + job.outputs - 1;
    job.end_step = (job.end_step & blocks_of_drafting) | given << 24;
    job.state = JobState::stalled;
    if (job.outputs == job.output_tokens) return true;
    ++m_loose;
    return false;
}

/// Asynchronously: the planned step goes to the GPU.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::settle_late(Pool& pool) {
    m_landing_count = 0;
    for (std::uint32_t i = 0; i < m_fresh_count; ++i) {
        const JobIndex index = m_fresh[i];
        if (index == no_job) continue;  // it has ended meanwhile; its row runs for nothing
        Job& job = pool[index];
        m_landing[m_landing_count++] = index;
        job.end_step |= m_given[job.place] << 24;
        job.state = JobState::stalled;
        ++m_loose;
    }
    m_fresh_count = 0;
}

/// ... and has ended.
template <class Layout>
template <class Sink>
WT_HD_COLD void BatchServer<Layout>::land_drafts(Pool& pool, Sink& sink, JobIndex index, Tick now) {
    Job& job = pool[index];
    const std::uint32_t drafts = Schedule::on_the_way(job) - 1, taken = this->accepted(pool, job, drafts);
    std::uint32_t tokens = 1 + taken;
    if (tokens > job.output_tokens - job.outputs) tokens = job.output_tokens - job.outputs;
    job.end_step = (job.end_step & Schedule::blocks_of_drafting) | Schedule::returned_since;
    if (job.state != JobState::waiting) job.computed -= drafts - taken;  // one that was preempted has none
    job.outputs += tokens;
    land(pool, sink, index, now, tokens);
    if (job.outputs < job.output_tokens) return;
    if (job.state == JobState::fresh) drop(m_fresh, m_fresh_count, index);
    finish(pool, sink, index, now);
}

}  // namespace windtunnel
