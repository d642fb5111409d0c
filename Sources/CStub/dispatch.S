// The dispatch blob: where indirect branches of translated code go whose targets lay outside the mirror's window. It stands
// at the start of the arena (RuntimeLayout in Translator); the slots and the hash table lie at fixed distances behind it.
// r11: the guest's target. Everything else is the guest's and stays, flags too. The stack is not touched.
	.set arena_size, 0x7fff0000
	.set slot_a, rsb_dispatch_start + arena_size + 40
	.set slot_c, rsb_dispatch_start + arena_size + 48
	.set slot_flags, rsb_dispatch_start + arena_size + 56
	// One below the hash table, which is 2 GiB on: too far for a displacement by one.
	.set before_table, rsb_dispatch_start + 0x7fffffff

	.section dispatch, "a", @progbits
	.balign 16
	.globl rsb_dispatch_start, rsb_dispatch_miss, rsb_dispatch_end
	.hidden rsb_dispatch_start, rsb_dispatch_miss, rsb_dispatch_end

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
	movq	slot_flags(%rip), %rax
	addb	$127, %al
	sahf
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
	movq	slot_flags(%rip), %rax
	addb	$127, %al
	sahf
	movq	slot_a(%rip), %rax
	movq	slot_c(%rip), %rcx
rsb_dispatch_miss:
	int3
	.balign 16, 0xcc
rsb_dispatch_end:

	.section .note.GNU-stack, "", @progbits
