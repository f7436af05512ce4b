# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
class FaasRuntime < Formula
  desc "Native functions behind the AWS Lambda API, anywhere"
  homepage "https://github.com/faas-runtime/faas-runtime"
  url "https://github.com/faas-runtime/faas-runtime/releases/download/v0.1.0/faas_runtime-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"

  depends_on "python@3.14"

  def install
    libexec.install "bin", "faas_runtime"
    include.install "include/faas.h"
    man1.install "man/faas-runtime.1"

    python3 = formula_opt_bin("python@3.14")/"python3.14"
    # Byte code contains neither the time nor the path of its source, because a bottle may change both.
    # Recipes are templates and are not compiled.
    system python3, "-IS", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "-s", libexec,
           "-x", "faas_runtime.recipes.", libexec/"faas_runtime"
    # The code that every start needs, in one file.
    system python3, "-IS", libexec/"faas_runtime/start_file.py"
    # The first line of the launcher names a Python of other systems.
    (bin/"faas-runtime").write <<~SH
      #!/bin/sh
      exec "#{python3}" -IS -X utf8 "#{libexec}/bin/faas-runtime" "$@"
    SH
    chmod 0755, bin/"faas-runtime"
  end

  test do
    require "socket"

    (testpath/"echo.c").write <<~C
      #include <faas.h>

      uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }

      int32_t handle(const faas_request *request, faas_response *response) {
        response->data = request->payload;
        response->len = request->payload_len;
        return 0;
      }
    C
    system ENV.cc, "-shared", "-fPIC", "-I#{include}", "-o", shared_library("libecho"), "echo.c"

    # A Runtime API that hands out one event and accepts one response.
    api = TCPServer.new("127.0.0.1", 0)
    ENV["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:#{api.local_address.ip_port}"
    ENV["LAMBDA_TASK_ROOT"] = testpath.to_s
    runtime = spawn bin/"faas-runtime", "echo.handle"
    begin
      event = "[42]"
      connection = api.accept
      assert_match "GET /2018-06-01/runtime/invocation/next ", connection.gets("\r\n\r\n")
      connection.write "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nContent-Length: 4\r\n\r\n#{event}"
      response = connection.gets("\r\n\r\n")
      assert_match "POST /2018-06-01/runtime/invocation/1/response ", response
      assert_equal event, connection.read(response[/^Content-Length: (\d+)/i, 1].to_i)
      connection.write "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    ensure
      Process.kill "KILL", runtime
      Process.wait runtime
    end
  end
end
