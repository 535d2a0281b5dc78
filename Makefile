# The commands of this project. Everything that is missing is installed by the first target that needs it.

ARCH ?= x86_64
BOARD ?= qemu-x86_64
CARGO = cargo
# What boards are of: built, booted and measured.
BOOTED = x86_64 aarch64 armv7 mipsel
# Whoever watches wants to see that it goes on.
QUIET = $(shell [ -t 2 ] || echo --quiet)

.PHONY: help dist boot check test bench clean

help:
	@echo 'make boot  [BOARD=qemu-ARCH] [SERVICES=DIR]  boot a router in QEMU; console here, ssh -p 2222'
	@echo '                                             root@127.0.0.1; ARCH is one of $(BOOTED)'
	@echo 'make dist  [ARCH=x86_64|aarch64|armv7|mips|mipsel]  target/dist/ARCH/jamb, target/dist/jambc'
	@echo 'make check   format, lints and all tests but the QEMU ones: the inner loop'
	@echo 'make test    everything'
	@echo 'make bench   sizes, memory and times, into target/bench'
	@echo 'make clean   removes what was built; the cache of downloads stays'

dist:
	@scripts/setup rust cross
	@scripts/dist $(ARCH)

boot:
	@scripts/setup rust cross qemu
	@scripts/dist $$(sed -n 's/^arch *= *"\(.*\)"/\1/p' boards/$(BOARD).toml)
	@$(CARGO) run --locked $(QUIET) -p qemu-tests --bin jamb-vm -- boot --board $(BOARD) \
		$(if $(SERVICES),--services $(SERVICES))

check:
	@scripts/setup rust
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace --exclude qemu-tests

test:
	@scripts/setup rust cross qemu
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@for arch in $(BOOTED); do scripts/dist $$arch || exit; done
	@JAMB_KILLS=10000 scripts/summary $(CARGO) test --locked --workspace --no-fail-fast

bench:
	@scripts/setup rust cross qemu
	@for arch in $(BOOTED); do scripts/dist $$arch || exit; done
	$(CARGO) run --locked $(QUIET) -p qemu-tests --bin jamb-scale
	$(CARGO) run --locked $(QUIET) -p qemu-tests --bin jamb-bench

clean:
	rm -rf target
