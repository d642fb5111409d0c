// The dispatch blob: where indirect branches of translated code go whose targets lay outside the mirror's window, where
// system calls are made, what fills a space's own pieces of the mirror, what stores for the kernel, and what answers CPUID. It stands at the start of the arena (RuntimeLayout in
// Translator); the slots, the hash table and the list of new entries lie at fixed distances behind it.
// r11: the guest's target. Everything else is the guest's and stays, flags too. The stack is not touched.
#include "CStub.h"

	.set arena_size, 0x7fff0000
	.set slot_a, rsb_dispatch_start + arena_size + 40
	.set slot_c, rsb_dispatch_start + arena_size + 48
	.set slot_flags, rsb_dispatch_start + arena_size + 56
	// One below the hash table, which is 2 GiB on: too far for a displacement by one.
	.set before_table, rsb_dispatch_start + 0x7fffffff

	// The flags, put away by lahf and seto; spoils rax.
	.macro	flags_back
	movq	slot_flags(%rip), %rax
	addb	$127, %al
	sahf
	.endm

	.section dispatch, "a", @progbits
	.balign 16
	.globl rsb_dispatch_start, rsb_dispatch_miss, rsb_dispatch_gate, rsb_dispatch_load, rsb_dispatch_behind_load
	.globl rsb_dispatch_plain_gate, rsb_dispatch_publish, rsb_dispatch_published, rsb_dispatch_store, rsb_dispatch_cpuid, rsb_dispatch_end
	.hidden rsb_dispatch_start, rsb_dispatch_miss, rsb_dispatch_gate, rsb_dispatch_load, rsb_dispatch_behind_load
	.hidden rsb_dispatch_plain_gate, rsb_dispatch_publish, rsb_dispatch_published, rsb_dispatch_store, rsb_dispatch_cpuid, rsb_dispatch_end

rsb_dispatch_start:
	movq	%rax, slot_a(%rip)
	movq	%rcx, slot_c(%rip)
	lahf
	seto	%al
	movq	%r11, %rcx
	shrq	$31, %rcx
	jz	low
	movq	%rax, slot_flags(%rip)
	movl	%r11d, %ecx
	shrl	$12, %ecx
	xorl	%r11d, %ecx
	movzwl	%cx, %ecx
	shll	$4, %ecx
	leaq	before_table(%rip), %rax
	leaq	1(%rax,%rcx), %rcx
	cmpq	%r11, (%rcx)
	jne	miss
	movq	8(%rcx), %r11
	flags_back
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
	jmpq	*%r11
low:
	addb	$127, %al
	sahf
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
	jmpq	*%gs:(,%r11,8)
miss:
	flags_back
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
rsb_dispatch_miss:
	int3

// The gate: where translated code goes to call the kernel, with r11 the place to go on at and rcx the guest's next instruction, and from its exits,
// with r11 the exit's own address and rcx the guest's. It leaves the registers where the machine reads and changes them without a
// call of ptrace (struct rsb_gate, in the page of slots, by its order of words),
// stops, and goes on with what it finds there: registers, flags, and the extended state of another task if the machine
// wants that. The stack pointer borrows the page for the flags; no signal is ever delivered to a stub.
	.set gate_words, rsb_dispatch_start + arena_size + 512
	.org rsb_dispatch_start + 1024, 0xcc
rsb_dispatch_gate:
	movq	%r15, gate_words(%rip)
	movq	%r14, gate_words + 8(%rip)
	movq	%r13, gate_words + 16(%rip)
	movq	%r12, gate_words + 24(%rip)
	movq	%rbp, gate_words + 32(%rip)
	movq	%rbx, gate_words + 40(%rip)
	movq	%r10, gate_words + 56(%rip)
	movq	%r9, gate_words + 64(%rip)
	movq	%r8, gate_words + 72(%rip)
	movq	%rcx, gate_words + 88(%rip)
	movq	%rdx, gate_words + 96(%rip)
	movq	%rsi, gate_words + 104(%rip)
	movq	%rdi, gate_words + 112(%rip)
	movq	%rax, gate_words + 120(%rip)
	movq	%r11, gate_words + 128(%rip)
	movq	%rsp, gate_words + 152(%rip)
	leaq	gate_words + 152(%rip), %rsp
	pushfq
	rdfsbase %rcx
	movq	%rcx, gate_words + 168(%rip)
	movw	%ds, gate_words + 184(%rip)
	movw	%es, gate_words + 192(%rip)
	movw	%fs, gate_words + 200(%rip)
	movw	%gs, gate_words + 208(%rip)
	// futex(2): nearly all look at its word, and this is the cheapest place to do so. A fault here is no one's: the machine goes
	// on behind it.
	cmpl	$202, %eax
	jne	rsb_dispatch_behind_load
rsb_dispatch_load:
	movl	(%rdi), %edx
	movl	%edx, gate_words + 256(%rip)
	movq	%rdi, gate_words + 248(%rip)
rsb_dispatch_behind_load:
	movq	%r11, gate_words + 216(%rip)
	syscall
	movq	gate_words + 232(%rip), %rsi
	testq	%rsi, %rsi
	jz	loaded
	movl	gate_words + 240(%rip), %eax
	movl	gate_words + 244(%rip), %edx
	movq	gate_words + 224(%rip), %rdi
	xsave64	(%rdi)
	xrstor64 (%rsi)
loaded:
	movq	gate_words + 168(%rip), %rcx
	wrfsbase %rcx
	leaq	gate_words + 144(%rip), %rsp
	popfq
	movq	gate_words(%rip), %r15
	movq	gate_words + 8(%rip), %r14
	movq	gate_words + 16(%rip), %r13
	movq	gate_words + 24(%rip), %r12
	movq	gate_words + 32(%rip), %rbp
	movq	gate_words + 40(%rip), %rbx
	movq	gate_words + 48(%rip), %r11
	movq	gate_words + 56(%rip), %r10
	movq	gate_words + 64(%rip), %r9
	movq	gate_words + 72(%rip), %r8
	movq	gate_words + 80(%rip), %rax
	movq	gate_words + 88(%rip), %rcx
	movq	gate_words + 96(%rip), %rdx
	movq	gate_words + 104(%rip), %rsi
	movq	gate_words + 112(%rip), %rdi
	movq	gate_words + 152(%rip), %rsp
	jmpq	*gate_words + 128(%rip)

// The same where the host does not let programs have their fs base: the machine uses ptrace.
	.balign 16, 0xcc
rsb_dispatch_plain_gate:
	movq	%rcx, gate_words + 88(%rip)
	movq	%r11, gate_words + 128(%rip)
	movq	$1, gate_words + 216(%rip)
	syscall
	movq	gate_words + 88(%rip), %rcx
	jmpq	*gate_words + 128(%rip)

// The registers of what works through a list on the way to code.
	.set slot_d, rsb_dispatch_start + arena_size + 104
	.set slot_si, rsb_dispatch_start + arena_size + 112
	.set slot_di, rsb_dispatch_start + arena_size + 120
	.macro	put_away
	movq	%rax, slot_a(%rip)
	movq	%rcx, slot_c(%rip)
	movq	%rdx, slot_d(%rip)
	movq	%rsi, slot_si(%rip)
	movq	%rdi, slot_di(%rip)
	.endm
	.macro	take_back
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
	movq	slot_d(%rip), %rdx
	movq	slot_si(%rip), %rsi
	movq	slot_di(%rip), %rdi
	.endm

// On the way to code: stores new entries in the space's own mirror, and goes on at `resume`. The list (RuntimeLayout.publications) has
// for each the guest address in the low half and the place in the arena in the high one. Leaves registers and flags alone but r11.
	.set publish_count, rsb_dispatch_start + arena_size + 88
	.set publish_resume, rsb_dispatch_start + arena_size + 96
	.balign 16, 0xcc
rsb_dispatch_publish:
	put_away
	movq	publish_count(%rip), %rcx
	leaq	rsb_dispatch_start(%rip), %r11
	movabsq	$RSB_DISPATCH_PUBLICATIONS, %rsi
	movabsq	$RSB_DISPATCH_MIRROR, %rdi
next:
	jrcxz	last
	movl	(%rsi), %eax
	movl	4(%rsi), %edx
	leaq	(%r11,%rdx), %rdx
	movq	%rdx, (%rdi,%rax,8)
	leaq	8(%rsi), %rsi
	leaq	-1(%rcx), %rcx
	jmp	next
last:
	take_back
	jmpq	*publish_resume(%rip)
// Where it goes on when there is more than one list.
rsb_dispatch_published:
	int3

// On the way to code, too: small stores of the kernel to the guest's memory, and on at `resume`. The list, in the page of slots, has for each the
// address, the number of its words, that of the bytes behind them, and words and bytes. Leaves registers and flags alone but r11.
	.set store_count, rsb_dispatch_start + arena_size + 128
	.set store_resume, rsb_dispatch_start + arena_size + 136
	.set stores, rsb_dispatch_start + arena_size + 1024
	.balign 16, 0xcc
rsb_dispatch_store:
	put_away
	movq	store_count(%rip), %r11
	leaq	stores(%rip), %rsi
store:
	movq	%r11, %rcx
	jrcxz	stored
	leaq	-1(%r11), %r11
	movq	(%rsi), %rdi
	movq	8(%rsi), %rcx
	movq	16(%rsi), %rdx
	leaq	24(%rsi), %rsi
words:
	jrcxz	behind_words
	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	leaq	8(%rsi), %rsi
	leaq	8(%rdi), %rdi
	leaq	-1(%rcx), %rcx
	jmp	words
behind_words:
	movq	%rdx, %rcx
bytes:
	jrcxz	store
	movb	(%rsi), %al
	movb	%al, (%rdi)
	leaq	1(%rsi), %rsi
	leaq	1(%rdi), %rdi
	leaq	-1(%rcx), %rcx
	jmp	bytes
stored:
	take_back
	jmpq	*store_resume(%rip)

// CPUID: from the table of answers, or by the gate. r11 is as for the gate from `Emitter.stopThroughGate`, twelve bytes of code of which it points to the
// second. An answer has eight words of 32 bits: leaf, subleaf, the bits of ecx that count, eax, ebx, ecx, edx, none. Leaves registers and flags alone but r11
// and what CPUID writes.
	.set slot_answers, rsb_dispatch_start + arena_size + 176
	.set answers, rsb_dispatch_start + arena_size + 0xf000
	.org rsb_dispatch_start + 3072, 0xcc
rsb_dispatch_cpuid:
	movq	%rax, slot_a(%rip)
	movq	%rcx, slot_c(%rip)
	movq	%rdx, slot_d(%rip)
	movq	%rbx, slot_si(%rip)
	lahf
	seto	%al
	movq	%rax, slot_flags(%rip)
	movl	slot_a(%rip), %ebx
	movl	slot_answers(%rip), %ecx
	leaq	answers(%rip), %rdx
look:
	subl	$1, %ecx
	js	none
	cmpl	%ebx, (%rdx)
	jne	further
	movl	slot_c(%rip), %eax
	andl	8(%rdx), %eax
	cmpl	%eax, 4(%rdx)
	je	found
further:
	addq	$32, %rdx
	jmp	look
found:
	flags_back
	movl	12(%rdx), %eax
	movl	16(%rdx), %ebx
	movl	20(%rdx), %ecx
	movl	24(%rdx), %edx
	leaq	11(%r11), %r11
	jmpq	*%r11
none:
	flags_back
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
	movq	slot_d(%rip), %rdx
	movq	slot_si(%rip), %rbx
	jmp	rsb_dispatch_gate
	.balign 16, 0xcc
rsb_dispatch_end:

	.section .note.GNU-stack, "", @progbits
