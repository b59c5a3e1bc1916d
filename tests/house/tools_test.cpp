#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

// The scripts of tools/ that can run without what they are made for.

namespace {

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("the attention page puts ours beside others, and says where ours is not measured") {
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / ("windtunnel_page_" + std::to_string(::getpid()));
    fs::create_directories(folder);
    const std::string header = "gpu,vllm,kernel,b,kv_len,hq,hkv,d,attn,kv,us,kv_mb,gbs,pct\n";
    std::ofstream(folder / "ours.csv")
        << header << "NVIDIA H200,,windtunnel,64,8192,32,8,128,bfloat16,bfloat16,480.0,2147.5,4473.9,93.2\n"
        << "NVIDIA H200,,windtunnel,3,8192,32,8,128,bfloat16,bfloat16,60.0,100.7,1677.7,35.0\n";
    std::ofstream(folder / "others.csv")
        << header << "h200_sxm,0.14.0,fa2,64,8192,32,8,128,bfloat16,bfloat16,960.0,2147.5,2237,46.6\n"
        << "h200_sxm,0.14.0,fa3,64,8192,32,8,128,bfloat16,bfloat16,500.0,2147.5,4295,89.5\n"
        << "a100_sxm,0.14.0,fa2,64,8192,32,8,128,bfloat16,bfloat16,1300.0,2147.5,1652,81.0\n";
    const std::string command = "cd '" + folder.string() +
                                "' && '" WINDTUNNEL_SOURCE_DIR
                                "/tools/attention_page.sh' ours.csv others.csv nowhere.csv >page.html 2>said";
    REQUIRE(std::system(command.c_str()) == 0);
    const std::string page = text_of(folder / "page.html");
    CHECK_THAT(page, Catch::Contains("<h2>H200, 16-bit cache</h2><p>2 shapes of ours; 2 of other kernels."));
    CHECK_THAT(page,
               Catch::Contains("<h2>A100, 16-bit cache</h2><p>ours: not measured yet; 1 of other kernels."));
    // Beside the best of the others: 480 / 500.
    CHECK_THAT(page,
               Catch::Contains(
                   "<td>64 @ 8192, 32/8 heads, D 128<td>480.0<td>93.2 %<td>500.0<td>89.5 %<td>fa3<td>0.96"));
    CHECK_THAT(page,
               Catch::Contains("<td>3 @ 8192, 32/8 heads, D 128<td>60.0<td>35.0 %<td>not in the tables"));
    CHECK(text_of(folder / "said") == "note: nowhere.csv is not there\n");
    fs::remove_all(folder);
}

TEST_CASE("shell scripts are whole") {
    for (const char* script :
         {"tools/device_check.sh", "tools/attention_page.sh", "tools/setup.sh", "tests/clean_debian.sh"})
        CHECK(std::system(("bash -n '" WINDTUNNEL_SOURCE_DIR "/" + std::string(script) + "'").c_str()) == 0);
}
