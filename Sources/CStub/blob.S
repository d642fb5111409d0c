// The blob: the only code of ours in a guest's address space. Position-independent, uses no stack and no data but
// the list page, which follows its own page. Guest code may jump anywhere into it: every `syscall` it then makes stops
// in the tracer.
#define NR_PAUSE 34

	.section stub, "a", @progbits
	.balign 16
	.globl rsb_blob_start, rsb_blob_single, rsb_blob_list, rsb_blob_stop, rsb_blob_switch, rsb_blob_end
	.hidden rsb_blob_start, rsb_blob_single, rsb_blob_list, rsb_blob_stop, rsb_blob_switch, rsb_blob_end

// Entry of the image: wait until the tracer has attached.
rsb_blob_start:
	movl	$NR_PAUSE, %eax
	syscall
	jmp	rsb_blob_start
	.balign 16, 0xcc

// One call, its number and arguments already in registers.
rsb_blob_single:
	syscall
	jmp	rsb_blob_stop
	.balign 16, 0xcc

// r12: calls of seven words each (number, six arguments); r13: how many are left.
// Ends with r13 = 0, or at the first error with r13 = the calls not done; rax is the last result.
rsb_blob_list:
	movq	(%r12), %rax
	movq	8(%r12), %rdi
	movq	16(%r12), %rsi
	movq	24(%r12), %rdx
	movq	32(%r12), %r10
	movq	40(%r12), %r8
	movq	48(%r12), %r9
	syscall
	cmpq	$-4095, %rax
	jae	rsb_blob_stop
	addq	$56, %r12
	decq	%r13
	jnz	rsb_blob_list
rsb_blob_stop:
	int3
	.balign 16, 0xcc

// The way back to the guest when another task's extended state is needed: rdi: area to save the present one in;
// rsi: area to load; edx:eax: the components. The registers used here have their true values in the list page. Leaves
// the flags alone.
	.set list_page, rsb_blob_start + 0x1000
rsb_blob_switch:
	xsave64	(%rdi)
	xrstor64 (%rsi)
	movq	list_page(%rip), %rax
	movq	list_page + 8(%rip), %rdx
	movq	list_page + 16(%rip), %rdi
	movq	list_page + 24(%rip), %rsi
	jmpq	*list_page + 32(%rip)
	.balign 16, 0xcc
rsb_blob_end:

	.section .note.GNU-stack, "", @progbits
