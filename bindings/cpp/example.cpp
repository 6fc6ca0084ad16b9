#include <deepseek.hpp>
#include <iostream>

int main(int argc, char **argv)
{
    auto model = deepseek::AutoModel::from_pretrained(argc > 1 ? argv[1] : "deepseek/nano");
    for (const std::string &piece : model.stream("Once upon a time", deepseek::Options().max_length(50)))
        std::cout << piece << std::flush;
}
