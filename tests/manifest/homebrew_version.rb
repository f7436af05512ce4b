# A stand-in for Homebrew's comparison of versions, written from its rules; brew itself does not run everywhere.
#
# A version is cut into tokens: alpha, beta, pre, rc, patch and post (each with its number), numbers, other words.
# alpha < beta < pre < rc < "nothing more" < post, patch and words; "nothing more" equals 0 and is below other
# numbers; a number is above a word. Where one side has a number and the other a word, the number is passed over if
# it is 0, and otherwise wins.
#
# Reads versions, one a line; prints how each compares with the one before it (-1, 0 or 1).

KINDS = {
  alpha: /alpha[0-9]*|a[0-9]+/i, beta: /beta[0-9]*|b[0-9]+/i, pre: /pre[0-9]*/i, rc: /rc[0-9]*/i,
  patch: /p[0-9]*/i, post: /.post[0-9]+/i, number: /[0-9]+/, word: /[a-z]+/i
}.freeze
BEFORE_THE_END = %i[alpha beta pre rc].freeze
ANY = Regexp.union(*KINDS.values)
Token = Struct.new(:kind, :text)
NOTHING = Token.new(:nothing, "")

def tokens(version)
  version.scan(ANY).map do |text|
    # Longest names first is not needed: each pattern has to match the whole token.
    kind = %i[alpha beta rc pre patch post number word].find { |name| text.match?(/\A(?:#{KINDS[name]})\z/) }
    Token.new(kind, text)
  end
end

def against_nothing(token)
  return token.text.to_i.zero? ? 0 : 1 if token.kind == :number

  BEFORE_THE_END.include?(token.kind) ? -1 : 1
end

def compare_tokens(left, right)
  return 0 if left == right
  return against_nothing(left) if right == NOTHING
  return -against_nothing(right) if left == NOTHING
  return left.text.to_i <=> right.text.to_i if left.kind == :number && right.kind == :number
  return left.kind == :number ? 1 : -1 if left.kind == :number || right.kind == :number

  order = { alpha: 0, beta: 1, pre: 2, rc: 3 }
  by_kind = order.fetch(left.kind, 4) <=> order.fetch(right.kind, 4)
  return by_kind unless by_kind.zero?
  return left.text <=> right.text unless left.kind == right.kind && left.kind != :word

  left.text[/[0-9]+/].to_i <=> right.text[/[0-9]+/].to_i
end

def compare(one, two)
  left = tokens(one)
  right = tokens(two)
  until left.empty? && right.empty?
    a = left.first || NOTHING
    b = right.first || NOTHING
    if compare_tokens(a, b).zero?
      left.shift
      right.shift
    elsif a.kind == :number && b.kind != :number
      return 1 if against_nothing(a).positive?

      left.shift
    elsif b.kind == :number && a.kind != :number
      return -1 if against_nothing(b).positive?

      right.shift
    else
      return compare_tokens(a, b)
    end
  end
  0
end

versions = $stdin.read.split("\n")
versions.each_cons(2) { |before, after| puts compare(after, before) }
