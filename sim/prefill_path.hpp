#pragma once
#include "sim/request_path.hpp"

namespace windtunnel {

/// Requests whose prompts are computed by another workload's servers than those that answer (prefill/decode
/// disaggregation), on top of RequestPath.
///
/// The order of events is that of vLLM's NixlConnector behind llm-d's gateway and routing sidecar (general knowledge of
/// 2025 and 2026, not re-read). The replica that answers is chosen at the arrival; unless few enough tokens of the
/// prompt are missing from its prefix cache, a prefill replica is chosen too and asked for one token. When that
/// has come, the request goes to the answering server, which asks for the KV when it has blocks for it
/// (models/remote_kv.hpp), reads it over the nodes' links and says so; the prefill server then frees its blocks.
/// The client's first token is the answering server's.
///
/// What goes wrong: without a ready prefill replica the prompt is computed where it is answered. A prefill server that
/// dies over a prompt fails the attempt. One that dies, or waits too long (`hold`), before its blocks are read loses the
/// KV: the prompt is computed anew, or the attempt fails. An answering server that dies does not say so: what it
/// did not read waits until `hold` is over.
template <class Layout, class Bank, class Observer, class Self>
class PrefillPath : public RequestPath<Layout, Bank, Observer, Self> {
    using Path = RequestPath<Layout, Bank, Observer, Self>;

public:
    using Path::Path;

    /// A request is at its answering replica's door. False: it computes the prompt itself.
    WT_HD_COLD bool prefills_elsewhere(JobIndex index, const PrefillPlan& plan) {
        const std::uint32_t answers = m_jobs[index].replica;
        const auto w = static_cast<std::uint32_t>(plan.workload);
        const std::uint32_t local = is_worth_it(index, plan, answers) ? choose_prefill(index, w) : no_index;
        if (local == no_index) {
            ++m_tally->local_prefills;
            return false;
        }
        const JobIndex prompt = m_jobs.take();
        if (prompt == no_job) {
            m_tally->status = TrialStatus::outgrew_arena;
            return true;
        }
        ++m_tally->remote_prefills;
        const std::uint32_t p = m_blueprint.workloads[w].first_pod + local;
        pair_up(index, prompt, p);
        m_pairs.away_of(answers).push_back(m_jobs, index);
        send_prompt(index, prompt, m_routers[w], m_blueprint.workloads[w], local);
        return true;
    }

    // ---- what the servers tell (Sink) -----------------------------------------------------------------

    /// A server has blocks for the KV of a job's prompt.
    WT_HD_COLD void wants_kv(JobIndex index, Tick now) {
        PrefillPair& pair = m_pairs[index];
        const Job& job = m_jobs[index];
        const PrefillPair& prompt = m_pairs[pair.other];
        const PrefillPlan& plan = plan_of(index);
        const ServerConfig& config = config_of(job.replica);
        const std::int64_t parts = plan.nodes;
        pair.story.bytes = (config.blocks_for(job.prompt_tokens) - job.end_step) * config.kv_block_bytes;
        const std::int64_t bytes = pair.story.bytes / parts > 0 ? pair.story.bytes / parts : 1;
        Route route;
        const std::uint32_t from = m_fleet.pod(prompt.pod).node, to = m_fleet.pod(job.replica).node;
        const std::int64_t rate = m_pairs.set_route(route, from, to, link_rate(plan, from), link_rate(plan, to),
                                                    plan.local_bytes_per_s, now);
        const auto time = static_cast<std::int64_t>(
            multiply_divide(static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(ticks_per_second),
                            static_cast<std::uint64_t>(rate), true));
        pair.stage = PrefillStage::received;
        pair.story.transfer_began = now;
        ++m_tally->kv_transfers;
        m_tally->kv_bytes.add(static_cast<std::uint64_t>(pair.story.bytes));
        m_pairs.links().begin(index, bytes, max(plan.latency + Tick{time}, Tick{1}), route, now);
        expect_transfers();
    }
    /// A job's first token has come.
    WT_HD_COLD void answered(JobIndex index, Tick now) {
        const PrefillStory& story = m_pairs[index].story;
        if (story.received == never) return;
        ++m_tally->kv_answers;
        add(m_tally->prefill_time, story.prefilled - story.sent);
        add(m_tally->kv_wait_time, story.transfer_began - story.prefilled);
        add(m_tally->kv_transfer_time, story.received - story.transfer_began);
        add(m_tally->kv_decode_time, now - story.received);
    }
    /// A prefill server has a prompt, and its token.
    WT_HD_COLD void prefill_finished(JobIndex prompt, Tick now) {
        const Job& job = m_jobs[prompt];
        PrefillPair& mine = m_pairs[prompt];
        const JobIndex index = mine.other;
        if (m_blueprint.keeps_accounts()) static_cast<Self*>(this)->charge(prompt, 1);
        if (m_board.enabled())
            m_board.request_finished(job, m_workload.requests[job.request], now - job.arrival, Tick{}, now);
        Path::leave_replica(prompt);
        m_jobs[prompt].replica = Path::held_by_router;
        mine.unread = job.state == JobState::unread;  // preempted at its end, it has no blocks
        if (index == no_job) {
            if (mine.unread) return let_go(prompt);
            return release_prompt(prompt);
        }
        PrefillPair& pair = m_pairs[index];
        const std::uint32_t answers = m_jobs[index].replica;
        m_pairs.away_of(answers).remove(m_jobs, index);
        pair.stage = mine.unread ? PrefillStage::handed_over : PrefillStage::none;
        pair.story.prefilled = now;
        if (mine.unread) {
            m_jobs[index].computed = job.prompt_tokens;
            hold(prompt, plan_of(index).hold, now);
        } else {
            pair.other = no_job;
            release_prompt(prompt);
        }
        Path::hand_to_server(index, answers);
    }
    WT_HD_COLD void prefill_aborted(JobIndex prompt, Tick) {
        if (m_board.enabled() && !m_pairs[prompt].unread)
            m_board.count_finished(m_jobs[prompt].replica, FinishedReason::abort);
        release_prompt(prompt);
    }
    WT_HD_COLD void prefill_lost(JobIndex prompt, Tick now) {
        const PrefillPair mine = m_pairs[prompt];
        if (!mine.unread) Path::count_lost(prompt, now);
        release_prompt(prompt);
        if (mine.other == no_job) return;
        m_pairs[mine.other].other = no_job;
        if (mine.unread)
            lose_kv(mine.other, now);
        else
            Path::attempt_failed(mine.other, RequestEnd::failed, now);
    }
    /// Ends a server and whatever it holds, the requests included whose prompts are on their way to it.
    WT_HD_COLD void kill_server(std::uint32_t p, Tick now) {
        m_pairs.dying = p;
        m_servers[p].kill(m_jobs, *static_cast<Self*>(this), now);
        while (m_pairs.away(p) > 0) Path::lost(m_pairs.away_of(p).head, now);
        m_pairs.dying = no_index;
    }

    // ---- the rest of its life ---------------------------------------------------------------------------

    /// A job leaves its replica: whatever was done for it elsewhere is no longer wanted. (Of the job at a prefill server
    /// nothing is.)
    WT_HD_COLD void part_from_prefill(JobIndex index) {
        const PrefillPair pair = m_pairs[index];
        if (pair.prefill) return;
        m_pairs.forget(index);
        const std::uint32_t answers = m_jobs[index].replica;
        if (pair.stage == PrefillStage::computed_elsewhere) {
            m_pairs.away_of(answers).remove(m_jobs, index);
            if (m_pairs.dying != answers && static_cast<Self*>(this)->requests_of(answers) == 0)
                m_fleet.pod_idle(answers, m_now);
        }
        if (pair.stage == PrefillStage::received) m_pairs.links().end(index, m_now);
        if (pair.other != no_job) {
            m_pairs[pair.other].other = no_job;
            if (!m_pairs[pair.other].unread || m_pairs.dying != answers) let_go(pair.other);
        }
        expect_transfers();
    }
    /// Transfers have ended, or blocks have waited long enough.
    WT_HD_COLD void meet_transfers() {
        for (;;) {
            const JobIndex index = m_pairs.links().first_through(m_now);
            if (index == SharedLinks<Layout>::none) break;
            m_pairs.links().end(index, m_now);
            PrefillPair& pair = m_pairs[index];
            pair.stage = PrefillStage::none;
            pair.story.received = m_now;
            const JobIndex prompt = pair.other;
            pair.other = no_job;
            m_pairs[prompt].other = no_job;
            let_go(prompt);
            end_reception(index, true);
        }
        auto& holds = m_pairs.holds();
        while (!holds.empty() && holds.first().at <= m_now) {
            const RequestDeadline d = holds.first();
            holds.pop();
            if (m_pairs.is_stale(d)) continue;
            const JobIndex index = m_pairs[d.index].other;
            m_pairs[d.index].other = no_job;
            let_go(d.index);
            if (index == no_job) continue;
            m_pairs[index].other = no_job;
            lose_kv(index, m_now);
        }
        expect_transfers();
    }

protected:
    using Path::m_attempts, Path::m_blueprint, Path::m_board, Path::m_fleet, Path::m_jobs, Path::m_key, Path::m_now;
    using Path::m_pairs, Path::m_routers, Path::m_server_calendar, Path::m_servers, Path::m_tally, Path::m_workload;

private:

    WT_HD static void add(WideSum& sum, Tick time) { sum.add(static_cast<std::uint64_t>(time.count)); }
    WT_HD void expect_transfers() { static_cast<Self*>(this)->set_transfers_due(m_pairs.due()); }
    [[nodiscard]] WT_HD const PrefillPlan& plan_of(JobIndex index) const {
        return m_blueprint.workloads[m_fleet.pod(m_jobs[index].replica).workload].prefill;
    }
    [[nodiscard]] WT_HD const ServerConfig& config_of(std::uint32_t p) const {
        return m_blueprint.servers[static_cast<std::size_t>(m_fleet.server_of(p))];
    }
    [[nodiscard]] WT_HD std::int64_t link_rate(const PrefillPlan& plan, std::uint32_t node) const {
        if (plan.link_bytes_per_s > 0) return plan.link_bytes_per_s;
        return m_fleet.state().shape_of(m_fleet.node(node)).network_bytes_per_s;
    }

    /// Enough of the prompt is missing where it is answered.
    [[nodiscard]] WT_HD bool is_worth_it(JobIndex index, const PrefillPlan& plan, std::uint32_t answers) {
        if (plan.threshold == 0) return true;
        return m_jobs[index].prompt_tokens - m_servers[answers].cached_tokens(m_jobs, index) >= plan.threshold;
    }
    /// Its own draw, so that which prefill replica it is does not follow from which one answers.
    [[nodiscard]] WT_HD std::uint32_t choose_prefill(JobIndex index, std::uint32_t w) {
        const std::uint32_t t = Path::track_of(index), attempt = t == no_track ? 1 : m_attempts[t].attempt;
        return m_routers[w].choose(m_blueprint.workloads[w], m_key, m_jobs[index].request, attempt | 1u << 24);
    }
    WT_HD void pair_up(JobIndex index, JobIndex prompt, std::uint32_t p) {
        Path::fill(prompt, m_jobs[index].request, m_now);
        m_jobs[prompt].output_tokens = 1;
        if (m_attempts.enabled()) m_attempts.attach(prompt, no_track, m_now);
        m_pairs[prompt].prefill = true;
        m_pairs[prompt].pod = p;
        m_pairs[prompt].other = index;
        m_pairs[index].other = prompt;
        m_pairs[index].stage = PrefillStage::computed_elsewhere;
        m_pairs[index].story.pod = p;
        m_pairs[index].story.sent = m_now;
    }
    WT_HD_CALL void send_prompt(JobIndex index, JobIndex prompt, Router<Layout>& router,
                                const WorkloadPlan& plan, std::uint32_t local) {
        const std::uint32_t p = plan.first_pod + local;
        router.ranking.add_request(local);
        ++router.sent;
        ++router.arrived;
        m_jobs[prompt].replica = static_cast<std::uint16_t>(p);
        const Pod& pod = m_fleet.pod(p);
        bool refused = !pod.serves();
        if (refused) router.close_connections(plan, local);
        if (!refused && pod.degradation != 0 && meets_error(m_blueprint, m_key, pod, m_workload, m_jobs[prompt])) {
            ++m_tally->error_answers;
            refused = true;
        }
        if (!refused) return Path::hand_to_server(prompt, p);
        m_pairs[index].other = no_job;
        release_prompt(prompt);
        Path::attempt_failed(index, RequestEnd::failed, m_now);
    }
    WT_HD void release_prompt(JobIndex prompt) {
        Path::release(prompt);
        m_pairs.forget(prompt);
    }
    WT_HD void hold(JobIndex prompt, Tick limit, Tick now) {
        auto& holds = m_pairs.holds();
        while (!holds.empty() && m_pairs.is_stale(holds.first())) holds.pop();
        if (holds.full()) {
            m_tally->status = TrialStatus::outgrew_arena;
            return;
        }
        m_pairs[prompt].read_until = now + limit;
        holds.push({prompt, m_jobs[prompt].request, 0, now + limit});
        expect_transfers();
    }
    /// Nobody wants a prefill server's work any more: its blocks are free from its next step on.
    WT_HD_CALL void let_go(JobIndex prompt) {
        const std::uint32_t p = m_pairs[prompt].pod;
        m_servers[p].abort(m_jobs, prompt, Path::seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }
    WT_HD void end_reception(JobIndex index, bool whole) {
        const std::uint32_t p = m_jobs[index].replica;
        m_servers[p].end_reception(m_jobs, index, whole, m_now, Path::seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }
    WT_HD_CALL void lose_kv(JobIndex index, Tick now) {
        PrefillPair& pair = m_pairs[index];
        ++m_tally->kv_failures;
        if (pair.stage == PrefillStage::received) m_pairs.links().end(index, now);
        pair.stage = PrefillStage::none;
        expect_transfers();
        end_reception(index, false);
        if (plan_of(index).fails == 0) return;
        pair.without_kv = true;
        Path::abort(index);
    }
};

}  // namespace windtunnel
