#!/usr/bin/perl
# Mail::DKIM for the tests of packages dkim and arc: signs or verifies the message on
# standard input. Keys are files: PEM to sign, a JSON object of TXT records by name to verify.
use strict;
use warnings;
use JSON::PP;
use Net::DNS;
use Mail::DKIM::DNS;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;

binmode STDIN;
binmode STDOUT;
my ($action, @args) = @ARGV;
my $message = do { local $/; <STDIN> };

# Records stands in for Net::DNS::Resolver.
package Records {
	sub new { my ($class, $txt) = @_; return bless { txt => $txt }, $class }
	sub send {
		my ($self, $name, $type) = @_;
		my $packet = Net::DNS::Packet->new($name, $type);
		$packet->header->qr(1);
		my $text = $self->{txt}{$name};
		$packet->header->rcode('NXDOMAIN') unless defined $text;
		$packet->push(answer => Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [ unpack '(A100)*', $text ])) if defined $text;
		return $packet;
	}
	sub errorstring { return 'NOERROR' }
}

sub records {
	open my $f, '<', shift or die $!;
	local $/;
	Mail::DKIM::DNS::resolver(Records->new(decode_json(<$f>)));
}

sub run { my $x = shift; $x->PRINT($message); $x->CLOSE; return $x }

if ($action eq 'sign') {
	my ($key, $header, $body, $selector, $domain) = @args;
	my $s = run(Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => "$header/$body", Domain => $domain, Selector => $selector, KeyFile => $key));
	print $s->signature->as_string, "\r\n", $message;
} elsif ($action eq 'verify') {
	records(@args);
	my $v = run(Mail::DKIM::Verifier->new);
	my @s = $v->signatures;
	die "Mail::DKIM: no signature\n" unless @s;
	for (@s) { die 'Mail::DKIM: ', $_->result_detail, "\n" unless $_->result eq 'pass' }
} elsif ($action eq 'arcsign') {
	my ($key, $selector, $domain, $authserv, $chain) = @args;
	my $s = run(Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Domain => $domain, SrvId => $authserv, Selector => $selector, KeyFile => $key, Chain => $chain, Headers => 'from:to:subject'));
	die 'Mail::DKIM: ', $s->{details} // '', "\n" unless $s->result eq 'sealed';
	print map({ "$_\r\n" } $s->as_strings), $message;
} elsif ($action eq 'arcverify') {
	records(@args);
	my $v = run(Mail::DKIM::ARC::Verifier->new);
	die 'Mail::DKIM: ', $v->result_detail, "\n" unless $v->result eq 'pass';
} else {
	die "unknown action $action\n";
}
