// Logs of requests as gateways and observability tools write them.
#include <algorithm>
#include "scenarios/traces/trace_reader.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace windtunnel;
using Catch::Contains;

namespace {

Result<Trace> read_log(const std::string& text) {
    std::istringstream in(text);
    return read_trace(in, "log", {});
}

Trace accepted(const std::string& text) {
    Result<Trace> result = read_log(text);
    INFO((result.ok() ? std::string() : to_string(result.problems().front())));
    REQUIRE(result.ok());
    return std::move(*result);
}

std::string refusal(const std::string& text) {
    const Result<Trace> result = read_log(text);
    REQUIRE_FALSE(result.ok());
    return to_string(result.problems().front());
}

/// Two requests, 900 in and 70 out at t = 0 and 40 in and 5 out 1.5 s later.
void check_two(const std::string& text) {
    const Trace trace = accepted(text);
    CHECK(trace.format == "request-log");
    REQUIRE(trace.requests.size() == 2);
    CHECK(trace.requests[0].arrival == Tick{0});
    CHECK(trace.requests[0].prompt_tokens == 900);
    CHECK(trace.requests[0].output_tokens == 70);
    CHECK(trace.requests[1].arrival == 3 * ticks_per_second / 2 * Tick{1});
    CHECK(trace.requests[1].prompt_tokens == 40);
    CHECK(trace.requests[1].output_tokens == 5);
    REQUIRE(trace.start);
    CHECK(trace.start->seconds == 1'715'299'200);  // 2024-05-10T00:00:00Z
}

bool is_noted(const Trace& trace, const std::string& part) {
    return std::any_of(trace.notes.begin(), trace.notes.end(), [&](const Problem& note) { return note.message.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("logs of requests as JSON: each tool's names of a moment and of tokens") {
    SECTION("LiteLLM's spend logs, an array") {
        check_two(R"([{"request_id": "a", "startTime": "2024-05-10T00:00:00.000000Z", "endTime": "2024-05-10T00:00:03Z", "total_tokens": 970, "prompt_tokens": 900, "completion_tokens": 70, "model": "m", "spend": 0.1},
                      {"request_id": "b", "startTime": "2024-05-10T00:00:01.500000Z", "endTime": "2024-05-10T00:00:02Z", "total_tokens": 45, "prompt_tokens": 40, "completion_tokens": 5, "model": "m", "spend": 0.1}])");
    }
    SECTION("Langfuse's observations, one a line, beside spans without tokens") {
        const std::string text =
            R"({"type": "SPAN", "startTime": "2024-05-10T00:00:00Z"})" "\n"
            R"({"type": "GENERATION", "startTime": "2024-05-10T00:00:00.000Z", "usage": {"input": 900, "output": 70, "total": 970}, "usageDetails": {"input": 900, "output": 70}})" "\n"
            R"({"type": "GENERATION", "startTime": "2024-05-10T00:00:01.500Z", "usage": {"input": 40, "output": 5, "total": 45}})" "\n";
        check_two(text);
        CHECK(is_noted(accepted(text), "1 records without"));
    }
    SECTION("a page of an API, newest first") {
        const std::string text = R"({"data": [{"createdAt": "2024-05-10T00:00:01.5Z", "usage": {"prompt_tokens": 40, "completion_tokens": 5}},
                                              {"createdAt": "2024-05-10T00:00:00Z", "usage": {"prompt_tokens": 900, "completion_tokens": 70}}], "meta": {"page": 1}})";
        check_two(text);
        CHECK(is_noted(accepted(text), "sorted"));
    }
    SECTION("OpenTelemetry's spans") {
        check_two(R"({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "vllm"}, "spans": [
            {"startTimeUnixNano": "1715299200000000000", "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "900"}}, {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "70"}}]},
            {"startTimeUnixNano": "1715299201500000000", "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "40"}}, {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}}]}]}]}]})");
    }
    SECTION("OpenAI's responses, Unix seconds") {
        check_two("{\"object\": \"chat.completion\", \"created\": 1715299200, \"usage\": {\"prompt_tokens\": 900, \"completion_tokens\": 70}}\n"
                  "{\"object\": \"chat.completion\", \"created\": 1715299201.5, \"usage\": {\"prompt_tokens\": 40, \"completion_tokens\": 5}}\n");
    }
    SECTION("AIPerf's records, nanoseconds within a map") {
        check_two(R"({"metadata": {"request_start_ns": 1715299200000000000}, "metrics": {"input_sequence_length": {"value": 900}, "output_sequence_length": {"value": 70}}}
                     {"metadata": {"request_start_ns": 1715299201500000000}, "metrics": {"input_sequence_length": {"value": 40}, "output_sequence_length": {"value": 5}}})");
    }
}

TEST_CASE("logs of requests as CSV: columns as tools name them, commas or semicolons") {
    check_two("request_id,startTime,endTime,prompt_tokens,completion_tokens\na,2024-05-10T00:00:00Z,2024-05-10T00:00:09Z,900,70\nb,2024-05-10T00:00:01.5Z,2024-05-10T00:00:02Z,40,5\n");
    check_two("request_time;usage.prompt_tokens;usage.completion_tokens\n2024-05-10 00:00:01.5 UTC;40;5\n2024-05-10 00:00:00 UTC;900;70\n");
    const Trace milliseconds = accepted("timestamp_ms,input_tokens,output_tokens\n0,900,70\n1500,40,5\n");
    CHECK(milliseconds.span == 3 * ticks_per_second / 2 * Tick{1});  // not 1,500 s: the name says the unit
    CHECK_FALSE(milliseconds.start);
    const Trace failed = accepted("created_at,prompt_tokens,completion_tokens\n2024-05-10T00:00:00Z,900,70\n2024-05-10T00:00:01Z,40,0\n");
    CHECK(failed.requests.size() == 1);
    CHECK(is_noted(failed, "1 failed requests"));
}

TEST_CASE("logs of requests: what holds none is refused with what to write instead") {
    CHECK_THAT(refusal(R"({"status": "success", "data": {"resultType": "matrix", "result": []}})"), Contains("workload.synthetic") && Contains("Prometheus"));
    CHECK_THAT(refusal(R"([{"id": "a", "conversations": [{"from": "human", "value": "hi"}]}])"), Contains("conversations as text"));
    CHECK_THAT(refusal("10.0.0.1 - - [10/May/2024:00:00:00 +0000] \"POST /v1/chat/completions HTTP/1.1\" 200 99 \"-\" \"curl\"\n"), Contains("access log"));
    CHECK_THAT(refusal(R"([{"startTime": "2024-05-10T00:00:00Z", "name": "x"}])"), Contains("1 records and none") && Contains("prompt_tokens"));
    CHECK_THAT(refusal(R"([{"startTime": "yesterday", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}])"), Contains("yesterday") && Contains("ISO 8601"));
}

TEST_CASE("Qwen's traces: seconds, and hashes of 16 tokens") {
    // The first record of qwen_traceA_blksz_16.jsonl's kind: 33 tokens are three blocks of 16.
    const Trace trace = accepted("{\"chat_id\": 1, \"parent_chat_id\": -1, \"timestamp\": 0.5, \"input_length\": 33, \"output_length\": 9, \"type\": \"text\", \"turn\": 1, \"hash_ids\": [0, 1, 2]}\n"
                                 "{\"chat_id\": 2, \"parent_chat_id\": 1, \"timestamp\": 61.5, \"input_length\": 600, \"output_length\": 9, \"type\": \"text\", \"turn\": 2, \"hash_ids\": "
                                 "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37]}\n");
    CHECK(trace.format == "qwen-bailian");
    CHECK(trace.span == Tick{61 * ticks_per_second + ticks_per_second / 2});
    CHECK(trace.tokens_per_hash == 16);
    CHECK(is_noted(trace, "16 prompt tokens"));
}

TEST_CASE("prefix hashes: what one stands for follows from their number, unless the source or the caller says it") {
    const std::string rows = "arrival_s,prompt_tokens,output_tokens,prefix_hashes\n0,100,5,1 2 3 4\n1,64,5,1 2\n";
    CHECK(accepted(rows).tokens_per_hash == 32);
    CHECK(accepted("# tokens_per_hash: 25\n" + rows).tokens_per_hash == 25);
    CHECK(accepted("arrival_s,prompt_tokens,output_tokens,prefix_hashes\n0,1000,5,1 2\n").tokens_per_hash == 512);
    // A number that fits no block size leaves 512, and says so.
    const Trace odd = accepted("arrival_s,prompt_tokens,output_tokens,prefix_hashes\n0,100,5,1 2 3 4 5 6 7 8 9\n");
    CHECK(odd.tokens_per_hash == 512);
    CHECK(is_noted(odd, "more prefix hashes than blocks of 512"));
}
