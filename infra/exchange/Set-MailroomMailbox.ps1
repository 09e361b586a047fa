<#
.SYNOPSIS
    What each mailbox needs that Mailroom sends from, whichever way it was permitted.
.DESCRIPTION
    Authenticated SMTP on; no copies in Sent Items, which would fill the mailbox up; and, where several
    mailboxes send for one From address, or for another one, the right to send as it.
    Run it as often as you like.
.PARAMETER Mailbox
    The mailboxes that Mailroom signs in as.
.PARAMETER SendAs
    From addresses that all of these mailboxes may send as: those that MAILROOM_SENDERS maps to them.
.PARAMETER ServicePrincipalId
    With -SendAs: the application's right to send as these addresses too. Needed where Exchange Online
    asks for the application's right rather than the mailbox's (554 5.2.252 SendAsDenied).
.PARAMETER KeepSentItems
    Leaves the copies in Sent Items. An `unknown` message can then be looked for there; a retention
    policy must empty the folder.
.EXAMPLE
    ./Set-MailroomMailbox.ps1 -Mailbox pool1@contoso.com, pool2@contoso.com -SendAs billing@contoso.com -WhatIf
#>
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium')]
param(
    [Parameter(Mandatory)] [ValidateNotNullOrEmpty()] [string[]] $Mailbox,
    [string[]] $SendAs = @(),
    [guid] $ServicePrincipalId = [guid]::Empty,
    [switch] $KeepSentItems
)

. (Join-Path $PSScriptRoot 'ServicePrincipal.ps1')
Assert-ExchangeConnection

# Authentication policies are not changed here: they are the tenant's, and not about one mailbox.
if ((Get-TransportConfig).SmtpClientAuthenticationDisabled) {
    Write-Verbose 'Authenticated SMTP is off for the tenant; what is set for a mailbox comes first.'
}

foreach ($address in $Mailbox) {
    # Off, or not set ($null: as the tenant has it).
    if ((Get-CASMailbox -Identity $address).SmtpClientAuthenticationDisabled -ne $false -and
        $PSCmdlet.ShouldProcess($address, 'Set-CASMailbox -SmtpClientAuthenticationDisabled $false')) {
        Set-CASMailbox -Identity $address -SmtpClientAuthenticationDisabled $false
    }

    if (-not $KeepSentItems -and (Get-Mailbox -Identity $address).MessageCopyForSMTPClientSubmissionEnabled -and
        $PSCmdlet.ShouldProcess($address, 'Set-Mailbox -MessageCopyForSMTPClientSubmissionEnabled $false')) {
        Set-Mailbox -Identity $address -MessageCopyForSMTPClientSubmissionEnabled $false
    }
}

$trustees = @($Mailbox)
if ($ServicePrincipalId -ne [guid]::Empty) {
    $trustees += "$ServicePrincipalId"
}
foreach ($from in $SendAs) {
    foreach ($trustee in $trustees) {
        if ($trustee -eq $from) {
            continue
        }
        $granted = Get-RecipientPermission -Identity $from -Trustee $trustee -ErrorAction SilentlyContinue |
            Where-Object { $_.AccessRights -contains 'SendAs' }
        if (-not $granted -and $PSCmdlet.ShouldProcess($from, "Add-RecipientPermission SendAs for $trustee")) {
            $null = Add-RecipientPermission -Identity $from -Trustee $trustee -AccessRights SendAs -Confirm:$false
        }
    }
}
