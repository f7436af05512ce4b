# A stand-in for Homebrew, which needs a Ruby and gems that come from the network alone: just enough of a formula's
# language to run its `install` and its `test` for real, in a prefix of its own.
#
#     ruby brew_stand_in.rb FORMULA SOURCE PREFIX PYTHON
#     ruby brew_stand_in.rb uninstall FORMULA PREFIX
#
# With FORMULA alone, it only prints what the formula declares, and installs nothing. After the installation, the
# prefix has links to the files of the keg, as Homebrew makes them; `uninstall` removes these, and the keg.
#
# What it replaces: the download (SOURCE is a local file, whose name and SHA-256 must be the formula's), the sandbox,
# and the Python that the formula depends on (PYTHON). It prints what the formula declares, as JSON.

require "digest"
require "fileutils"
require "json"
require "pathname"
require "timeout"

def uninstall(name, prefix)
  rack = prefix/"Cellar"/name
  links = prefix.glob("**/*").select(&:symlink?)
  links.select { |path| path.readlink.expand_path(path.dirname).to_s.start_with?("#{rack}/") }.each(&:delete)
  rack.rmtree
  prefix.glob("**/").sort.reverse_each { |folder| folder.rmdir if folder.empty? && folder != prefix }
end

if ARGV.first == "uninstall"
  uninstall(File.basename(ARGV[1], ".rb"), Pathname.new(ARGV[2]).expand_path)
  exit
end
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

    def inherited(formula)
      super
      @formula = formula
    end

    attr_reader :formula
  end

  attr_reader :testpath

  # The Python of a dependency such as python@3.14, as python3.14 in a folder of its own. Homebrew has it since 6.0.3.
  def formula_opt_bin(name)
    raise "#{name} is not declared with depends_on" unless DECLARED[:depends_on].include?(name)

    bin = PREFIX/"opt"/name/"bin"
    bin.mkpath
    link = bin/name.delete("@")
    link.make_symlink(PYTHON) unless link.symlink?
    bin
  end

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

# What people find on their PATH and in their compiler's path are links to the files of the keg.
def link(keg)
  keg.glob("{bin,include,lib,share}/**/*").select(&:file?).each do |file|
    place = PREFIX/file.relative_path_from(keg)
    place.dirname.mkpath
    place.make_symlink(file.relative_path_from(place.dirname))
  end
  opt = PREFIX/"opt"/FORMULA.basename(".rb")
  opt.dirname.mkpath
  opt.make_symlink(keg.relative_path_from(opt.dirname))
end

load FORMULA
if SOURCE.nil?
  puts JSON.generate(Formula::DECLARED.merge(version: Formula.formula.new(nil).version))
  exit
end
require_source(**Formula::DECLARED)
formula = Formula.formula.new(PREFIX/"test")
in_fresh(PREFIX/"build") do
  Kernel.system("tar", "--strip-components=1", "-xf", SOURCE.to_s, exception: true)
  formula.install
  # Homebrew always installs these files of a source.
  formula.prefix.install "LICENSE", "README.md"
end
link(formula.prefix)
in_fresh(formula.testpath) { Timeout.timeout(60) { formula.test } } # brew has such a limit too
puts JSON.generate(Formula::DECLARED.merge(version: formula.version, prefix: formula.prefix))
