#include "scenarios/documents/byte_source.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

using namespace windtunnel;
namespace fs = std::filesystem;

namespace {

Result<Trace> read_text(const std::string& text, const TraceReadOptions& options = {}) {
    std::istringstream in(text);
    return read_trace(in, "t.csv", options);
}

/// The only problem of a refused text, as the user sees it.
std::string trace_refusal(const std::string& text, const TraceReadOptions& options = {}) {
    const Result<Trace> result = read_text(text, options);
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.problems().size() == 1);
    return to_string(result.problems().front());
}

Trace trace_accepted(const std::string& text, const TraceReadOptions& options = {}) {
    Result<Trace> result = read_text(text, options);
    INFO((result.ok() ? std::string() : to_string(result.problems().front())));
    REQUIRE(result.ok());
    return std::move(*result);
}

std::string compressed(const std::string& text, const char* encoding) {
    std::ostringstream out;
    ByteSink sink(out, encoding);
    sink.write(text);
    REQUIRE(sink.finish());
    return out.str();
}

std::uint64_t prompt_sum(const Trace& trace) {
    return std::accumulate(trace.requests.begin(), trace.requests.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Request& r) { return sum + r.prompt_tokens; });
}
std::uint64_t output_sum(const Trace& trace) {
    return std::accumulate(trace.requests.begin(), trace.requests.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Request& r) { return sum + r.output_tokens; });
}

std::optional<fs::path> shared_trace(const char* file) {
    const fs::path path = fs::path(WINDTUNNEL_SOURCE_DIR) / "../shared/data" / file;
    if (fs::exists(path)) return path;
    WARN("not there, skipped: ../shared/data/" << file);
    return std::nullopt;
}

using Catch::Contains;

}  // namespace

TEST_CASE("decimal time: digits are read exactly, the 12th is rounded") {
    const auto ticks = [](const char* text, int exponent = 0) {
        Instant at;
        REQUIRE(parse_decimal_time(text, exponent, at) == DecimalError::none);
        return at.seconds * ticks_per_second + at.ticks;
    };
    CHECK(ticks("0") == 0);
    CHECK(ticks("-0.0") == 0);
    CHECK(ticks("1") == ticks_per_second);
    CHECK(ticks("0.1") == 10'000'000'000);  // no double holds 0.1
    CHECK(ticks("12345678.12345678901") == 12'345'678'123'456'789'01);
    CHECK(ticks("0.000000000015") == 2);  // 1.5 ticks
    CHECK(ticks("0.0000000000149") == 1);
    CHECK(ticks("0.999999999999") == ticks_per_second);  // carries
    CHECK(ticks("3000", -3) == 3 * ticks_per_second);
    CHECK(ticks("0.5", -3) == 50'000'000);
    CHECK(ticks("1.5e3") == 1500 * ticks_per_second);
    CHECK(ticks("25E-2") == 25'000'000'000);
    CHECK(ticks("1e-99") == 0);
    CHECK(ticks(".5") == ticks("5.e-1"));
    Instant at;
    for (const char* text : {"", "nan", "inf", "1.2.3", "1e", "e5", ".", "-", "1 2", "0x10", "1e5.5"})
        CHECK(parse_decimal_time(text, 0, at) == DecimalError::not_a_number);
    CHECK(parse_decimal_time("-0.5", 0, at) == DecimalError::negative);
    CHECK(parse_decimal_time("-1e40", 0, at) == DecimalError::negative);
    CHECK(parse_decimal_time("1e40", 0, at) == DecimalError::too_large);
    CHECK(parse_decimal_time("99999999999999999999999", 0, at) == DecimalError::too_large);
}

TEST_CASE("seconds: the written decimal is the shortest that reads back as the same tick") {
    CHECK(format_seconds(Tick{0}) == "0");
    CHECK(format_seconds(seconds(12)) == "12");
    CHECK(format_seconds(Tick{150'000'000'000}) == "1.5");
    CHECK(format_seconds(Tick{1}) == "0.00000000001");
    CHECK(format_seconds(Tick{-150'000'000'000}) == "-1.5");
}

TEST_CASE("civil time: zones, separators and leap days are understood, nonsense is not") {
    TimestampParser parser;
    Instant a, b;
    REQUIRE(parser.parse("1970-01-01 00:00:00", a));
    CHECK(a == Instant{0, 0});
    REQUIRE(parser.parse("2024-02-29T12:00:00.5+02:00", a));  // date -u -d 2024-02-29T10:00:00 +%s
    CHECK(a == Instant{1'709'200'800, ticks_per_second / 2});
    for (const char* same :
         {"2024-02-29 10:00:00.5Z", "2024-02-29 10:00:00.500000+00:00", "2024-02-29T10:00:00.5",
          "2024-02-29T15:30:00.5+0530", "2024-02-29T02:00:00,50-08"}) {
        REQUIRE(parser.parse(same, b));
        CHECK(a == b);
    }
    for (const char* bad : {"2023-02-29 10:00:00", "2024-02-29", "2024-13-01 00:00:00", "2024-02-29 24:00:00",
                            "2024-02-29 10:60:00", "2024/02/29 10:00:00", "29.02.2024 10:00:00",
                            "2024-02-29 10:00:00.", "2024-02-29 10:00:00 PST", "soon"})
        CHECK_FALSE(parser.parse(bad, a));
    CHECK(format_wall_clock(1'709'200'800, 500'000'000) == "2024-02-29T10:00:00.5Z");
    CHECK(format_wall_clock(-1, 0) == "1969-12-31T23:59:59Z");
}

TEST_CASE("prefix tree: equal nodes stand for equal beginnings, though hashes of blocks repeat behind others") {
    const Trace trace = trace_accepted(
        "arrival_s,prompt_tokens,output_tokens,prefix_hashes\n"
        "0,1000,1,7 8\n1,1000,1,9 8\n2,1600,1,7 8 5\n3,10,1,\n4,600,1,7\n");
    CHECK(prefix_tree(trace) == std::vector<std::uint32_t>{0, 1, 2, 3, 0, 1, 4, 0});
    CHECK(prefix_tree(trace, 10).back() == 10);
}

TEST_CASE("plain csv: columns are found by name in any order, with names, priorities and prefix hashes") {
    const Trace trace = trace_accepted(
        "\xef\xbb\xbf# a comment\r\n# tokens_per_hash: 16\r\n\r\n"
        "Output Tokens,tenant,arrival_s,prompt_tokens,priority,model,prefix_hashes\r\n"
        "5,a,0,100,-1,llama,7 8\r\n"
        "6,\"b, \"\"inc\"\"\",0.25,200,,llama,\r\n"
        "\r\n"
        "7,a,0.25,300.0,2,\"two\nlines\",0xff,18446744073709551615");
    REQUIRE(trace.requests.size() == 3);
    CHECK(trace.format == "plain-csv");
    CHECK(trace.tokens_per_hash == 16);
    CHECK(trace.span == Tick{25'000'000'000});
    CHECK_FALSE(trace.start);
    CHECK(trace.tenants == std::vector<std::string>{"", "a", "b, \"inc\""});
    CHECK(trace.models == std::vector<std::string>{"", "llama", "two\nlines"});
    CHECK(trace.prefix_hashes == std::vector<std::uint64_t>{7, 8, 255, ~0ull});
    const Request &first = trace.requests[0], &last = trace.requests[2];
    CHECK((first.prompt_tokens == 100 && first.output_tokens == 5 && first.priority == -1));
    CHECK((first.prefix == 1 && first.prefix_count == 2));
    CHECK((trace.requests[1].prefix == 0 && trace.requests[1].prefix_count == 0 &&
           trace.requests[1].priority == 0));
    CHECK((last.prompt_tokens == 300 && last.prefix == 3 && last.prefix_count == 2 && last.tenant == 1 &&
           last.model == 2));
}

TEST_CASE("plain csv: start and span in comments are kept, milliseconds are a column of their own") {
    const Trace trace = trace_accepted(
        "# start: 2024-05-10T00:00:00Z\n# span_s: "
        "60.5\narrival_ms,prompt_tokens,output_tokens\n1500.5,1,1\n");
    CHECK(trace.requests[0].arrival == Tick{150'050'000'000});
    CHECK(trace.span == Tick{6'050'000'000'000});
    REQUIRE(trace.start);
    CHECK(trace.start->seconds == 1'715'299'200);
}

TEST_CASE("plain csv: each mistake is one problem that names line, row, what was found and what is allowed") {
    const std::string header = "arrival_s,prompt_tokens,output_tokens\n";
    CHECK(trace_refusal(header + "0,1,1\n2,1,1\n1.5,1,1\n") ==
          "t.csv:4: arrival: row 3: found 1.5 s after the start, before the row above it at 2 s, allowed: "
          "times that never go backward");
    CHECK_THAT(trace_refusal(header + "-1,1,1\n"),
               Contains("t.csv:2: arrival: row 1: found \"-1\"") && Contains("at least 0"));
    CHECK_THAT(trace_refusal(header + "nan,1,1\n"), Contains("found \"nan\""));
    CHECK_THAT(trace_refusal(header + "1e9,1,1\n"), Contains("less than 46116860 s"));
    CHECK_THAT(
        trace_refusal(header + "0,0,1\n"),
        Contains("t.csv:2: prompt_tokens: row 1: found \"0\", allowed: an integer from 1 to 2147483647"));
    CHECK_THAT(trace_refusal(header + "0,1,0\n"), Contains("output_tokens"));
    CHECK_THAT(trace_refusal(header + "0,1,-5\n"), Contains("found \"-5\""));
    CHECK_THAT(trace_refusal(header + "0,1,2.5\n"), Contains("found \"2.5\""));
    CHECK_THAT(trace_refusal(header + "0,1,99999999999999999999\n"), Contains("allowed: an integer"));
    CHECK_THAT(trace_refusal(header + "0,2147483648,1\n"), Contains("2147483647"));
    CHECK_THAT(trace_refusal(header + "0,1,\n"), Contains("found nothing"));
    CHECK_THAT(trace_refusal(header + "0,1\n"), Contains("found 2 fields, allowed: the header's 3"));
    CHECK_THAT(trace_refusal(header + "0,1,1,9\n"), Contains("found 4 fields"));
    CHECK_THAT(trace_refusal(header + "0,\"1,1\n"), Contains("never closed"));
    CHECK_THAT(trace_refusal(header + "0,\"1\"2,1\n"), Contains("misplaced quote"));
    CHECK_THAT(trace_refusal(header), Contains("found a header and no rows, allowed: at least one request"));
    CHECK_THAT(trace_refusal("arrival_s,promt_tokens,output_tokens\n0,1,1\n"),
               Contains("t.csv:1: prompt_tokens: found no such column") &&
                   Contains("did you mean prompt_tokens by \"promt_tokens\"?"));
    CHECK_THAT(trace_refusal("arival_s,prompt_tokens,output_tokens\n0,1,1\n"),
               Contains("did you mean arrival_s by \"arival_s\"?"));
    CHECK_THAT(trace_refusal("arrival_s,prompt_tokens,output_tokens,output tokens\n0,1,1,1\n"),
               Contains("another column of the same meaning"));
    CHECK_THAT(trace_refusal("0,1,1\n"), Contains("allowed: a header with arrival_s"));
    CHECK_THAT(trace_refusal("arrival_s,prompt_tokens,output_tokens,priority\n0,1,1,99999\n"),
               Contains("-32768 to 32767"));
    CHECK_THAT(trace_refusal("arrival_s,prompt_tokens,output_tokens,prefix_hashes\n0,1,1,12x\n"),
               Contains("prefix_hashes"));
    CHECK_THAT(trace_refusal(""), Contains("found an empty file"));
    CHECK_THAT(trace_refusal("\n\n"), Contains("found no rows"));
    CHECK_THAT(trace_refusal(std::string("MZ\0\0\1", 5)), Contains("found binary data"));
}

TEST_CASE("azure csv: 2023 and 2024 differ in the zone; t = 0 is the first row's civil time") {
    const Trace old = trace_accepted(
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.9000001,10,5\r\n2023-11-17 "
        "00:00:00.1000002,11,6");
    CHECK(old.format == "azure-2023");
    REQUIRE(old.start);
    CHECK(*old.start == WallClock{1'700'179'199, 900'000'100});
    CHECK(old.requests[0].arrival == Tick{0});
    CHECK(old.requests[1].arrival == Tick{20'000'010'000});  // 0.2000001 s
    const Trace fresh = trace_accepted(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,10,5\n2024-05-10 "
        "00:00:01+00:00,11,6\n");
    CHECK(fresh.format == "azure-2024");
    CHECK(fresh.requests[1].arrival == Tick{99'007'000'000});
    CHECK_THAT(trace_refusal("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10,10,5\n"),
               Contains("row 1: found \"2024-05-10\", allowed: an ISO 8601"));
}

TEST_CASE("plain csv: a column timestamp holds dates or numbers, as its first row tells") {
    const std::string header = "timestamp,prompt_tokens,output_tokens\n";
    // Seconds from the start: the gap before the first request stays, and there is no wall clock.
    const Trace offsets = trace_accepted(header + "0.390,10,5\n2.5,11,6\n");
    CHECK(offsets.requests[0].arrival == Tick{39'000'000'000});
    CHECK(offsets.requests[1].arrival == Tick{250'000'000'000});
    CHECK_FALSE(offsets.start);
    // Since 1970, in four units: t = 0 is the first row.
    for (const char* zeros : {"", "000", "000000", "000000000"}) {
        CAPTURE(zeros);
        const Trace since = trace_accepted(header + "1700179199" + zeros + ",10,5\n1700179201" + zeros + ",11,6\n");
        REQUIRE(since.start);
        CHECK(*since.start == WallClock{1'700'179'199, 0});
        CHECK(since.requests[1].arrival == Tick{200'000'000'000});
    }
    CHECK(trace_accepted(header + "2023-11-16 23:59:59,10,5\n2023-11-17 00:00:01,11,6\n").requests[1].arrival ==
          Tick{200'000'000'000});
    CHECK_THAT(trace_refusal(header + "2023-11-16 23:59:59,10,5\n12,11,6\n"), Contains("row 2: found \"12\", allowed: an ISO 8601"));
    CHECK_THAT(trace_refusal(header + "1,10,5\n2023-11-16 23:59:59,11,6\n"), Contains("row 2: found \"2023-11-16 23:59:59\""));
    CHECK_THAT(trace_refusal(header + "soon,10,5\n"), Contains("or in every row a number of seconds"));
}

TEST_CASE("azure csv: a row centuries before the first is refused like any that goes backward") {
    CHECK_THAT(
        trace_refusal(
            "TIMESTAMP,ContextTokens,GeneratedTokens\n5001-01-01 00:00:00,10,5\n2001-01-01 00:00:00,11,6\n"),
        Contains("row 2: found 94670812800 s before the first row, allowed: times that never go backward"));
}

TEST_CASE("burstgpt csv: failed requests are left out with a count, or kept when asked for") {
    const std::string text =
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,Conversation "
        "log\n118,GPT-4,417,276,693,API log\n";
    const Trace trace = trace_accepted(text);
    CHECK(trace.format == "burstgpt");
    REQUIRE(trace.requests.size() == 2);
    CHECK(trace.requests[0].arrival == seconds(5));
    CHECK(trace.models == std::vector<std::string>{"", "ChatGPT", "GPT-4"});
    CHECK(trace.tenants == std::vector<std::string>{"", "Conversation log", "API log"});
    CHECK_THAT(trace.notes.back().message, Contains("1 failed requests") && Contains("left out"));
    TraceReadOptions keep;
    keep.keep_failed = true;
    CHECK(trace_accepted(text, keep).requests.at(1).output_tokens == 1);
    const Trace sessions = trace_accepted(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "0.5,3,1.2,GPT-4,10,20,30,API log\n");
    CHECK(sessions.requests[0].arrival == Tick{50'000'000'000});
    CHECK_THAT(sessions.notes.front().message, Contains("Session ID"));
}

TEST_CASE("mooncake jsonl: milliseconds, ties and prefix hashes of 512 tokens") {
    const Trace trace = trace_accepted(
        "{\"timestamp\": 0, \"input_length\": 1000, \"output_length\": 5, \"hash_ids\": [0, 1]}\n"
        "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 6, \"hash_ids\": [0, 9]}\n\n"
        "{\"timestamp\": 27.5, \"input_length\": 3, \"output_length\": 7}");
    CHECK(trace.format == "mooncake");
    CHECK(trace.tokens_per_hash == 512);
    REQUIRE(trace.requests.size() == 3);
    CHECK(trace.prefix_hashes == std::vector<std::uint64_t>{0, 1, 0, 9});
    CHECK((trace.requests[1].prefix == 3 && trace.requests[1].prefix_count == 2));
    CHECK(trace.requests[2].arrival == Tick{2'750'000'000});
    const std::string row = "{\"timestamp\": 5, \"input_length\": 1, \"output_length\": 1}\n";
    CHECK_THAT(trace_refusal(row + "{\"timestamp\": 4, \"input_length\": 1, \"output_length\": 1}"),
               Contains("t.csv:2: arrival: row 2: found 0.004 s"));
    CHECK_THAT(trace_refusal(row + "{\"timestamp\": 6, \"output_length\": 1}"),
               Contains("t.csv:2: input_length: row 2: found no such key"));
    CHECK_THAT(trace_refusal(row + "{\"timestamp\": 6, \"input_length\": 1, \"output_le"),
               Contains("t.csv:2") && Contains("end of the file"));
    CHECK_THAT(trace_refusal(row + "{\"timestamp\": 6,, \"input_length\": 1}"), Contains("t.csv:2"));
    CHECK_THAT(trace_refusal(row + "hello"), Contains("allowed: a JSON object per line"));
    CHECK_THAT(trace_refusal("{\"timestamp\": -1, \"input_length\": 1, \"output_length\": 1}"),
               Contains("found \"-1\""));
    CHECK_THAT(trace_refusal("{\"timestamp\": 1, \"input_length\": 0, \"output_length\": 1}"),
               Contains("found \"0\""));
    CHECK_THAT(trace_refusal("{\"timestamp\": 1, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [-1]}"),
               Contains("hash_ids"));
    CHECK_THAT(trace_refusal(row + "{\"input_length\": 1, \"output_length\": 1}"), Contains("no arrival time"));
    CHECK_THAT(trace_refusal("{}"), Contains("input_length"));
    CHECK_THAT(trace_refusal("[]"), Contains("no rows"));
    CHECK_THAT(trace_refusal("[[1]]"), Contains("an array of objects"));
}

TEST_CASE("per-request json lines: unix times make t = 0 the first request") {
    const Trace trace = trace_accepted(
        "{\"request_id\": \"a\", \"input_toks\": 12, \"output_toks\": 3, \"arrival_time\": "
        "1777142838.338653}\n"
        "{\"request_id\": \"b\", \"input_toks\": 13, \"output_toks\": 4, \"arrival_time\": "
        "1777142838.6237123}\n");
    CHECK(trace.format == "plain-jsonl");
    CHECK(trace.requests[1].arrival == Tick{28'505'930'000});  // 0.2850593 s
    CHECK(trace.start->seconds == 1'777'142'838);
}

TEST_CASE("vllm bench result: arrays become requests in order of their start times") {
    const std::string arrays =
        "\"input_lens\": [10, 20, 30], \"output_lens\": [1, 0, 3], \"itls\": [[0.1, 0.2], [], [0.3]], "
        "\"generated_texts\": [\"x\"]";
    const Trace trace = trace_accepted("{\n \"request_rate\": \"inf\",\n" + arrays +
                                 ",\n \"start_times\": [100.5, 100.25, 100.0]\n}");
    CHECK(trace.format == "vllm-bench");
    REQUIRE(trace.requests.size() == 2);
    CHECK((trace.requests[0].prompt_tokens == 30 && trace.requests[0].arrival == Tick{0}));
    CHECK((trace.requests[1].prompt_tokens == 10 && trace.requests[1].arrival == Tick{50'000'000'000}));
    CHECK_FALSE(trace.start);
    CHECK_THAT(trace_refusal("{" + arrays + "}"), Contains("arrival rate"));
    TraceReadOptions rate;
    rate.arrival_rate_rps = 10;
    CHECK(trace_accepted("{" + arrays + "}", rate).requests.size() == 2);
    CHECK_THAT(trace_refusal("{" + arrays + "}\n{" + arrays + "}"), Contains("one result a file"));
    CHECK_THAT(trace_refusal("{\"input_lens\": [1, 2], \"output_lens\": [1], \"start_times\": [0, 1]}"),
               Contains("as many as input_lens: 2"));
}

TEST_CASE("lengths without arrivals: refused unless a rate is given, then Poisson and repeatable") {
    std::string text = "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n";
    CHECK_THAT(trace_refusal(text + "3,4,7,0.75\n"),
               Contains("t.csv:2: arrival: found token counts without arrival times") &&
                   Contains("arrival_rate_rps"));
    for (int i = 0; i < 20'000; ++i) text += "3,4,7,0.75\n";
    TraceReadOptions options;
    options.arrival_rate_rps = 20;
    const Trace trace = trace_accepted(text, options);
    CHECK(trace.format == "lengths-csv");
    CHECK(to_seconds(trace.span) == Approx(1000).epsilon(0.03));  // 20000/20; sd 7 s
    CHECK(trace_accepted(text, options).requests.back().arrival == trace.requests.back().arrival);
    options.seed = 2;
    CHECK(trace_accepted(text, options).requests.back().arrival != trace.requests.back().arrival);
}

TEST_CASE("compression: gzip, several gzip members and zstd are read by content; cuts and damage are named") {
    const std::string head = "arrival_s,prompt_tokens,output_tokens\n";
    std::string rows;
    for (int i = 0; i < 50'000; ++i)
        rows += std::to_string(i) + ".125," + std::to_string(i % 977 + 1) + ",17\n";
    const std::string members =
        compressed(head + rows.substr(0, 5000), "gzip") + compressed(rows.substr(5000), "gzip");
    const std::string frames =
        compressed(head + rows.substr(0, 5000), "zstd") + compressed(rows.substr(5000), "zstd");
    const std::uint64_t expected = prompt_sum(trace_accepted(head + rows));
    for (const std::string& bytes :
         {compressed(head + rows, "gzip"), members, compressed(head + rows, "zstd"), frames}) {
        const Trace trace = trace_accepted(bytes);
        CHECK(trace.requests.size() == 50'000);
        CHECK(prompt_sum(trace) == expected);
        CHECK_THAT(trace_refusal(bytes.substr(0, bytes.size() - 10)), Contains("truncated"));
        CHECK_THAT(trace_refusal(bytes.substr(0, bytes.size() / 2)), Contains("ends in the middle"));
        std::string damaged = bytes;
        for (std::size_t i = 100; i < 200; ++i) damaged[i] = static_cast<char>(i);
        CHECK_THAT(trace_refusal(damaged), Contains("damaged"));
    }
}

TEST_CASE("files: a missing file and a folder are refused by name") {
    const Result<Trace> missing = read_trace(fs::path("no-such-file.csv"));
    REQUIRE_FALSE(missing.ok());
    CHECK(to_string(missing.problems().front()) ==
          "no-such-file.csv: found no such file, allowed: a trace file");
    CHECK_FALSE(read_trace(fs::temp_directory_path()).ok());
}

TEST_CASE("servegen: rates, gaps in the collection and borrowed lengths") {
    const fs::path folder = fs::path(WINDTUNNEL_BINARY_DIR) / "servegen_test";
    fs::create_directories(folder / "x_dataset");
    {
        std::ofstream clients(folder / "x_clients.csv");
        clients << "client,start_s,rate_rps,cv,pattern,shape,scale\n"
                   "0,0,2,1,Gamma,1,0.5\n0,600,0,0,,0,0\n0,1200,2,1,Gamma,1,0.5\n"
                   "1,0,0,0,,0,0\n1,600,0,0,,0,0\n1,1200,8,2,Weibull,0.5427,0.07\n";
        std::ofstream(folder / "x_dataset/chunk-0-dataset.json")
            << R"({"0": {"input_tokens": "{50: 0.5, 60: 0.5}", "output_tokens": "{0: 0.25, 5: 0.75}"}, "1200": {"input_tokens": "{}", "output_tokens": "{}"}})";
    }
    const Result<Trace> read = read_trace(folder / "x_clients.csv");
    REQUIRE(read.ok());
    const Trace& trace = *read;
    CHECK(trace.format == "servegen");
    CHECK(trace.span == seconds(1800));
    // Client 0: 2/s over 1800 s, the silent window filled = 3600, sd 60. Client 1: 8/s over 600 s = 4800, CV
    // 2, sd 139.
    std::size_t of_first = 0, in_gap = 0, tens = 0;
    for (const Request& r : trace.requests) {
        if (trace.tenants[r.tenant] == "client-0") ++of_first;
        if (r.arrival >= seconds(600) && r.arrival < seconds(1200)) ++in_gap;
        if (r.prompt_tokens == 50 || r.prompt_tokens == 60) ++tens;
        CHECK((r.output_tokens == 1 || r.output_tokens == 5));
    }
    CHECK(tens == trace.requests.size());
    CHECK(std::abs(static_cast<double>(of_first) - 3600) < 240);
    CHECK(std::abs(static_cast<double>(trace.requests.size() - of_first) - 4800) < 560);
    CHECK(std::abs(static_cast<double>(in_gap) - 1200) < 140);
    REQUIRE(trace.notes.size() == 4);
    CHECK_THAT(trace.notes[0].message, Contains("1 windows of 600 s") && Contains("not silence"));
    CHECK_THAT(trace.notes[1].message, Contains("clients without length data"));
    std::ifstream in(folder / "x_clients.csv");
    CHECK_FALSE(read_trace(in, "-").ok());
}

TEST_CASE("public traces: sums are those that their publishers' files hold") {
    if (const auto file = shared_trace("requests/AzureLLMInferenceTrace_conv.csv")) {
        const Result<Trace> trace = read_trace(*file);
        REQUIRE(trace.ok());
        CHECK(trace->format == "azure-2023");
        CHECK(trace->requests.size() == 19'366);
        CHECK(prompt_sum(*trace) == 22'361'870);
        CHECK(output_sum(*trace) == 4'088'665);
        CHECK(trace->span == Tick{350'172'193'700'000});  // 18:15:46.6805900 to 19:14:08.4025270
    }
    if (const auto file = shared_trace("requests/mooncake_conversation_trace.jsonl")) {
        const Result<Trace> trace = read_trace(*file);
        REQUIRE(trace.ok());
        CHECK(trace->format == "mooncake");
        CHECK(trace->requests.size() == 12'031);
        CHECK(prompt_sum(*trace) == 144'793'823);
        CHECK(output_sum(*trace) == 4'122'048);
        CHECK(trace->prefix_hashes.size() == 288'500);
    }
    if (const auto file = shared_trace("requests/arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv")) {
        CHECK_FALSE(read_trace(*file).ok());
        TraceReadOptions options;
        options.arrival_rate_rps = 1;
        const Result<Trace> trace = read_trace(*file, options);
        REQUIRE(trace.ok());
        CHECK(trace->requests.size() == 28'257);
        CHECK(prompt_sum(*trace) == 73'131'321);
    }
    if (const auto file = shared_trace("measured/lss-rtxpro6000-llama8b/requests.jsonl"))
        CHECK(read_trace(*file)->requests.size() == 300);
}

TEST_CASE("public servegen service: a sampled day has the rates' requests and the distributions' lengths",
          "[long]") {
    if (const auto file = shared_trace("requests/servegen/reason_deepseek-r1_clients.csv")) {
        const Result<Trace> trace = read_trace(*file);
        REQUIRE(trace.ok());
        // The rates add up to 1,383,669 requests, the lengths to means of 1268.25 and 1527.42 tokens.
        const auto n = static_cast<double>(trace->requests.size());
        CHECK(n == Approx(1'383'669).epsilon(0.01));
        CHECK(static_cast<double>(prompt_sum(*trace)) / n == Approx(1268.25).epsilon(0.02));
        CHECK(static_cast<double>(output_sum(*trace)) / n == Approx(1527.42).epsilon(0.02));
    }
}
