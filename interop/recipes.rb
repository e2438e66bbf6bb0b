# Installs by mox.rb as Homebrew would, from a directory of a release: recipes.rb RELEASE WORK. There is no Homebrew for this
# system; this has the words of its formulas that mox.rb uses.
require "digest"
require "fileutils"
require "pathname"

RELEASE, WORK = ARGV.map { |dir| Pathname(File.expand_path(dir)) }

class Place < Pathname
  def install(*files)
    FileUtils.mkdir_p(self)
    files.flatten.each { |f| FileUtils.cp(f, self) }
  end
end

class Formula
  class << self
    attr_reader :version_text, :url_text, :sum, :test_block, :service_block
    def desc(text) = (raise "description is too long" if text.length > 80)
    def homepage(text) = (raise text unless text.start_with?("https://"))
    def license(_) = nil
    def version(text) = @version_text = text
    def url(text) = @url_text = text
    def sha256(text) = @sum = text
    def on_linux = yield
    def on_macos = nil
    def on_intel = RUBY_PLATFORM.include?("x86_64") && yield
    def on_arm = RUBY_PLATFORM.include?("aarch64") && yield
    def test(&block) = @test_block = block
    def service(&block) = @service_block = block
  end
  def place(name) = Place.new(WORK/name)
  def bin = place("bin")
  def opt_bin = bin
  def var = place("var")
  def man1 = place("man1")
  def man5 = place("man5")
  def buildpath = Pathname(Dir.pwd)
  def version = self.class.version_text
  def system(*args) = (Kernel.system(*args.map(&:to_s)) or raise "#{args} failed")
  def shell_output(command) = `#{command}`
  def assert_match(part, text) = (raise "#{text} lacks #{part}" unless text.include?(part))
  def run(args) = @run = args
  def keep_alive(_) = nil

  def generate_completions_from_executable(program, word)
    %w[bash zsh fish].each { |shell| raise shell if shell_output("#{program} #{word} #{shell}").empty? }
  end
end

load RELEASE/"mox.rb"
archive = RELEASE/File.basename(Mox.url_text)
raise "checksum of #{archive}" unless Digest::SHA256.file(archive).hexdigest == Mox.sum
Kernel.system("tar", "-C", WORK.to_s, "-xzf", archive.to_s) or raise "unpacking"
mox = Mox.new
Dir.chdir(WORK/archive.basename(".tar.gz")) { mox.install }
mox.instance_eval(&Mox.test_block)
mox.instance_eval(&Mox.service_block)
raise "no manual pages" if Dir[mox.man1/"*"].empty? || Dir[mox.man5/"*"].empty?
puts "installed #{Mox.version_text}"
