# A stand-in for Homebrew, which needs a Ruby and gems that come from the network alone: just enough of a formula's
# language to run its `install` and its `test` for real, in a prefix of its own.
#
#     ruby brew_stand_in.rb FORMULA SOURCE PREFIX PYTHON
#
# What it replaces: the download (SOURCE is a local file, whose name and SHA-256 must be the formula's), the sandbox,
# and the Python that the formula depends on (PYTHON). It prints what the formula declares, as JSON.

require "digest"
require "fileutils"
require "json"
require "pathname"
require "timeout"

FORMULA, SOURCE, PREFIX, PYTHON = ARGV.map { |path| Pathname.new(path).expand_path }

# Homebrew's additions to Pathname.
class Pathname
  def install(*sources)
    mkpath
    sources.each { |source| FileUtils.mv source, self }
  end

  def write(text)
    raise "#{self} exists" if exist?

    dirname.mkpath
    File.write(self, text)
  end
end

# Homebrew's additions to ENV.
def ENV.cc
  "cc"
end

class Formula
  Dependency = Struct.new(:opt_bin)
  DECLARED = {} # rubocop:disable Style/MutableConstant

  class << self
    %i[desc homepage url sha256 license version].each do |word|
      define_method(word) { |value| DECLARED[word] = value }
    end

    def depends_on(name)
      (DECLARED[:depends_on] ||= []) << name
    end

    def test(&block)
      define_method(:test, &block)
    end

    # The Python of a dependency such as python@3.14, as python3.14 in a folder of its own.
    def [](name)
      raise "#{name} is not declared with depends_on" unless DECLARED[:depends_on].include?(name)

      bin = PREFIX/"opt"/name/"bin"
      bin.mkpath
      link = bin/name.delete("@")
      link.make_symlink(PYTHON) unless link.symlink?
      Dependency.new(bin)
    end

    def inherited(formula)
      super
      @formula = formula
    end

    attr_reader :formula
  end

  attr_reader :testpath

  def initialize(testpath)
    @testpath = testpath
  end

  def prefix
    PREFIX/"Cellar"/FORMULA.basename(".rb")/version
  end

  def version
    DECLARED[:version] || File.basename(DECLARED[:url], ".tar.gz")[/-(\d.*)/, 1]
  end

  %i[bin include libexec].each { |name| define_method(name) { prefix/name.to_s } }

  def man1
    prefix/"share/man/man1"
  end

  def shared_library(name)
    "#{name}.so"
  end

  def system(*words)
    Kernel.system(*words.map(&:to_s), exception: true)
  end

  def spawn(*words)
    Kernel.spawn(*words.map(&:to_s))
  end

  def chmod(mode, path)
    FileUtils.chmod(mode, path)
  end

  def assert_match(expected, actual)
    raise "#{expected.inspect} is not in #{actual.inspect}" unless actual.to_s.include?(expected)
  end

  def assert_equal(expected, actual)
    raise "#{actual.inspect} is not #{expected.inspect}" unless expected == actual
  end
end

def require_source(url:, sha256:, **)
  raise "#{url} does not end in #{SOURCE.basename}" unless File.basename(url) == SOURCE.basename.to_s

  found = Digest::SHA256.file(SOURCE).hexdigest
  raise "the formula's sha256 is not that of the source, #{found}" unless sha256 == found
end

def in_fresh(folder, &block)
  folder.mkpath
  Dir.chdir(folder, &block)
end

load FORMULA
require_source(**Formula::DECLARED)
formula = Formula.formula.new(PREFIX/"test")
in_fresh(PREFIX/"build") do
  Kernel.system("tar", "--strip-components=1", "-xf", SOURCE.to_s, exception: true)
  formula.install
  # Homebrew keeps these of every source without being told.
  formula.prefix.install "LICENSE", "README.md"
end
in_fresh(formula.testpath) { Timeout.timeout(60) { formula.test } } # brew has such a limit too
puts JSON.generate(Formula::DECLARED.merge(version: formula.version, prefix: formula.prefix))
